// Backward with windows that do not overlap: a cell of dx has one window at most, and is that dy
// where it won, else zero. An outer cell is gone over as a line of cells, in pieces as long as a
// vector; which window each lane asks, its plan has found out once. AVX-512 alone has what it takes.
#pragma once

#include "winner_check.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

// values[from[lane]] where the winner beside it is the one wanted, else zero. As a sum that begins
// with zero: -0.0 becomes 0.0.
template <class T>
inline Vec<T> asked(Vec<T> values, __m128i winners, const Piece& piece) {
  const __m128i from = _mm_loadu_si128(reinterpret_cast<const __m128i*>(piece.from));
  const __m128i wanted = _mm_loadu_si128(reinterpret_cast<const __m128i*>(piece.wanted));
  const __mmask16 won = _mm_cmpeq_epi8_mask(_mm_shuffle_epi8(winners, from), wanted);
  if constexpr (sizeof(T) == 4) {
    const __m512i lanes = _mm512_cvtepu8_epi32(from);
    return (Vec<T>)_mm512_maskz_permutexvar_epi32(won, lanes, (__m512i)values) + Vec<T>{};
  } else {
    const __m512i lanes = _mm512_cvtepu8_epi64(from);
    const auto few = static_cast<__mmask8>(won);
    return (Vec<T>)_mm512_maskz_permutexvar_epi64(few, lanes, (__m512i)values) + Vec<T>{};
  }
}

template <class T>
int64_t in_pieces(const Work& work, const Backward& plan, void*, int64_t begin, int64_t end) {
  constexpr int L = kLanes<T>;
  int64_t outputs = 1;
  for (int a = 0; a < work.axes; ++a) outputs *= work.axis[a].out;
  const uint64_t there = bits_between(0, least(L, outputs));
  WinnerCheck check(work, plan);
  Walk walk(work, plan, begin);
  check.look_at(walk);
  Ahead<false> next_dy;
  Ahead<true> next_dx;
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) {
    if (const int64_t bad = check(walk, nullptr, 0)) return bad;
    const T* dy = static_cast<const T*>(work.source) + walk.y;
    const auto* winners = static_cast<const uint8_t*>(work.winners) + walk.winners;
    T* dx = static_cast<T*>(work.result) + walk.x;
    next_dy.look(dy);
    next_dx.look(dx);
    for (int64_t i = 0; i < plan.pieces; ++i) {
      const Piece& piece = plan.piece[i];
      const Vec<T> values = load_masked(dy + piece.y, there, T{});
      const __m128i beside =
          _mm_maskz_loadu_epi8(static_cast<__mmask16>(there), winners + piece.y);
      const Vec<T> cells = asked<T>(values, beside, piece);
      if (piece.cells == L) {
        store(dx + piece.x, cells);
      } else {
        store_some(dx + piece.x, cells, bits_between(0, piece.cells));
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace ndpool

#endif
