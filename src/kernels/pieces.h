// Backward with windows that do not overlap: a cell of dx has one window at most, and is that dy
// where it won, else zero. An outer cell is gone over as a line of cells, in pieces as long as a
// vector; which window each lane asks, its plan has found out once. AVX-512 alone has what it
// takes.
#pragma once

#include "direct.h"
#include "stream.h"
#include "winner_check.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

// 16 lanes, or 8 of 8 bytes: dy[from[lane]] where the winner beside it is the one wanted, else
// zero. S is what the elements are, T what they are computed with: of halves, their bits.
template <class S, class T>
inline void ask(S* to, const S* dy, __mmask16 there, __m128i winners, const Piece& piece) {
  const __m128i from = _mm_loadu_si128(reinterpret_cast<const __m128i*>(piece.from));
  const __m128i wanted = _mm_loadu_si128(reinterpret_cast<const __m128i*>(piece.wanted));
  const __mmask16 won = _mm_cmpeq_epi8_mask(_mm_shuffle_epi8(winners, from), wanted);
  const auto cells = static_cast<__mmask16>((1 << piece.cells) - 1);
  if constexpr (sizeof(T) == 1) {
    const __m128i values = _mm_maskz_loadu_epi8(there, dy);
    _mm_mask_storeu_epi8(to, cells, _mm_maskz_shuffle_epi8(won, values, from));
  } else if constexpr (sizeof(T) == 2) {
    const __m256i values = _mm256_maskz_loadu_epi16(there, dy), lanes = _mm256_cvtepu8_epi16(from);
    const __m256i asked = _mm256_maskz_permutexvar_epi16(won, lanes, values);
    const auto sums = (__m512i)as_sum<S, T>((Vec<T>)_mm512_castsi256_si512(asked));
    _mm256_mask_storeu_epi16(to, cells, _mm512_castsi512_si256(sums));
  } else if constexpr (sizeof(T) == 4) {
    const __m512i values = _mm512_maskz_loadu_epi32(there, dy), lanes = _mm512_cvtepu8_epi32(from);
    const __m512i asked = _mm512_maskz_permutexvar_epi32(won, lanes, values);
    store_some(to, as_sum<S, T>((Vec<T>)asked), cells);
  } else {
    const auto few = static_cast<__mmask8>(won), here = static_cast<__mmask8>(there);
    const __m512i values = _mm512_maskz_loadu_epi64(here, dy), lanes = _mm512_cvtepu8_epi64(from);
    const __m512i asked = _mm512_maskz_permutexvar_epi64(few, lanes, values);
    store_some(to, as_sum<S, T>((Vec<T>)asked), cells);
  }
}

constexpr int64_t kLongEnough = 1024;  // bytes of an outer cell, to go around the cache

template <class S, class T>
int64_t in_pieces(const Work& work, const Backward& plan, void*, int64_t begin, int64_t end) {
  int64_t outputs = 1;
  for (int a = 0; a < work.axes; ++a) outputs *= work.axis[a].out;
  const auto there =
      static_cast<__mmask16>(bits_between(0, least(sizeof(T) == 8 ? 8 : 16, outputs)));
  Ahead<false> next_dy;
  Ahead<true> next_dx;
  const int64_t cells = work.axis[0].n * work.axis[0].x_step;
  Stream out(work.past_cache && cells * int64_t{sizeof(S)} >= kLongEnough);
  return write_checked(work, plan, begin, end, [&](const Walk& walk, const WinnerCheck&, int64_t) {
    const S* dy = static_cast<const S*>(work.source) + walk.y;
    const auto* winners = static_cast<const uint8_t*>(work.winners) + walk.winners;
    S* dx = out.at(static_cast<S*>(work.result) + walk.x, cells);
    next_dy.look(dy);
    next_dx.look(dx);
    for (int64_t i = 0; i < plan.pieces; ++i) {
      const Piece& piece = plan.piece[i];
      const __m128i beside = _mm_maskz_loadu_epi8(there, winners + piece.y);
      ask<S, T>(dx + piece.x, dy + piece.y, there, beside, piece);
    }
    if (plan.cells_behind > 0 && walk.left(work) == 1) {
      fill(static_cast<S*>(work.result) + walk.x + cells, S{}, plan.cells_behind);
    }
  });
}

}  // namespace
}  // namespace ndpool

#endif
