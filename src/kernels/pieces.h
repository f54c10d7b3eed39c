// Backward with windows that do not overlap: a cell of dx has one window at most, and is that dy
// where it won, else zero. An outer cell is gone over as a line of cells, in pieces as long as a
// vector; which window each lane asks, its plan has found out once.
#pragma once

#include "direct.h"
#include "stream.h"
#include "winner_check.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

// For each lane: dy[from[lane]] where the winner beside it is the one wanted, else zero. `there`:
// bits of those that can be read. S is what the elements are, T what they are computed with: of
// halves, their bits.
#if defined(NDPOOL_AVX512)
template <class S, class T>
inline void ask(S* to, const S* dy, uint64_t outputs, const uint8_t* beside, const Piece& piece,
                int64_t) {
  const auto there = static_cast<__mmask16>(outputs);
  const __m128i winners = _mm_maskz_loadu_epi8(there, beside);
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
#else
// Those of the first bytes of a vector that are lanes, and zeros. `bits`: of the lanes.
template <int kLanes>
inline __m128i piece_bytes(const uint8_t* from, uint64_t bits) {
  if (bits != (uint64_t{1} << kLanes) - 1) return first_cells(from, bits);
  if constexpr (kLanes == 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  int64_t few = 0;
  std::memcpy(&few, from, kLanes);
  return _mm_cvtsi64_si128(few);
}
// room: cells from the first one on that may be written.
template <class S, class T>
inline void ask(S* to, const S* dy, uint64_t there, const uint8_t* beside, const Piece& piece,
                int64_t room) {
  constexpr int kBytes = sizeof(T), kCells = piece_lanes(kVectorBytes, kBytes);
  const __m128i winners = piece_bytes<kCells>(beside, there);
  const __m128i from = _mm_loadu_si128(reinterpret_cast<const __m128i*>(piece.from));
  const __m128i wanted = _mm_loadu_si128(reinterpret_cast<const __m128i*>(piece.wanted));
  const __m128i won = _mm_cmpeq_epi8(_mm_shuffle_epi8(winners, from), wanted);
  Vec<T> asked{};
  if constexpr (kBytes <= 2) {
    const __m128i values = there + 1 == uint64_t{1} << kCells
                               ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(dy))
                               : first_cells(dy, there);
    __m128i some;
    if constexpr (kBytes == 1) {
      some = _mm_and_si128(won, _mm_shuffle_epi8(values, from));
    } else {
      const __m128i twice = _mm_unpacklo_epi8(from, from), second = _mm_set1_epi16(256);
      const __m128i bytes = _mm_add_epi8(_mm_add_epi8(twice, twice), second);
      some = _mm_and_si128(_mm_cvtepi8_epi16(won), _mm_shuffle_epi8(values, bytes));
    }
    asked = as_sum<S, T>((Vec<T>)_mm256_castsi128_si256(some));
  } else {
    const auto values = (__m256i)load_some<T, T>(reinterpret_cast<const T*>(dy), there, T{});
    if constexpr (kBytes == 4) {
      const __m256i lanes = _mm256_cvtepu8_epi32(from), all = _mm256_cvtepi8_epi32(won);
      asked =
          as_sum<S, T>((Vec<T>)_mm256_and_si256(all, _mm256_permutevar8x32_epi32(values, lanes)));
    } else {
      const __m256i first = _mm256_slli_epi64(_mm256_cvtepu8_epi64(from), 1);
      const __m256i second = _mm256_add_epi64(first, _mm256_set1_epi64x(1));
      const __m256i lanes = _mm256_or_si256(first, _mm256_slli_epi64(second, 32));
      const __m256i all = _mm256_cvtepi8_epi64(won);
      asked =
          as_sum<S, T>((Vec<T>)_mm256_and_si256(all, _mm256_permutevar8x32_epi32(values, lanes)));
    }
  }
  if (room >= kCells) {  // the next piece writes again what is too much
    std::memcpy(to, &asked, kCells * kBytes);
  } else {
    T all[kLanes<T>];
    store(all, asked);
    copy_some(to, reinterpret_cast<const S*>(all), piece.cells);
  }
}
#endif

constexpr int64_t kLongEnough = 1024;  // bytes of an outer cell, to go around the cache

template <class S, class T>
int64_t in_pieces(const Work& work, const Backward& plan, void*, int64_t begin, int64_t end) {
  int64_t outputs = 1;
  for (int a = 0; a < work.axes; ++a) outputs *= work.axis[a].out;
  const uint64_t there = bits_between(0, least(piece_lanes(kVectorBytes, sizeof(T)), outputs));
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
      ask<S, T>(dx + piece.x, dy + piece.y, there, winners + piece.y, piece, cells - piece.x);
    }
    if (plan.cells_behind > 0 && walk.left(work) == 1) {
      fill(static_cast<S*>(work.result) + walk.x + cells, S{}, plan.cells_behind);
    }
  });
}

}  // namespace
}  // namespace ndpool

#endif
