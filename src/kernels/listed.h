// Backward of windows whose outputs are few beside the cells: each dy is added to the cell of dx
// that won its window. Where each window begins, the plan has written down, for as many outer cells
// as make some hundred outputs: so small ones take no longer to get ready than large ones. dx is
// cleared little by little, just before it is added to.
#pragma once

#include "tiles.h"

namespace ndpool {
namespace {

#if defined(NDPOOL_AVX512)
// See find_listed.
template <int kPairs>
inline bool find_by_vectors(const Lookup& table, const uint8_t* winners, int64_t o, int64_t count,
                            int32_t* target) {
  constexpr int L = 16;
  const int32_t* begin = table.begin + o;
  __m512i places[2 * kPairs];
  for (int i = 0; i < 2 * kPairs; ++i) places[i] = _mm512_loadu_si512(table.places + i * L);
  const __m512i cells = _mm512_set1_epi32(static_cast<int>(table.window));
  const __m512i none = _mm512_setzero_si512(), one = _mm512_set1_epi32(1);
  const __m512i last = _mm512_set1_epi32(31);
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __mmask16 wrong = 0;
  for (int64_t i = 0; i < count; i += L) {
    const auto some = static_cast<__mmask16>(bits_between(0, count - i));
    const __m512i winner = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(some, winners + i));
    wrong |= _mm512_cmpge_epu32_mask(winner, cells);
    if (table.allowed) {
      __m512i bits;
      if (table.words == 1) {
        bits = _mm512_maskz_loadu_epi32(some, table.allowed + o + i);
      } else {
        __m512i at = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int>(table.words)));
        at = _mm512_add_epi32(at, _mm512_srli_epi32(winner, 5));
        const uint32_t* allowed = table.allowed + (o + i) * table.words;
        bits = _mm512_mask_i32gather_epi32(none, some & ~wrong, at, allowed, 4);
      }
      wrong |= _mm512_mask_testn_epi32_mask(
          some, _mm512_srlv_epi32(bits, _mm512_and_si512(winner, last)), one);
    }
    const __m512i first = _mm512_maskz_loadu_epi32(some, begin + i);
    _mm512_storeu_si512(target + i, _mm512_add_epi32(first, entries<kPairs>(places, winner)));
  }
  return wrong == 0;
}
#endif

// The cells that so many winners are, from the o-th output of the table on. False if any is no cell
// of its window inside the input: then `target` means nothing.
inline bool find_listed(const Lookup& table, const uint8_t* winners, int64_t o, int64_t count,
                        int32_t* target) {
#if defined(NDPOOL_AVX512)
  return with_pairs(table.window, [&](auto pairs) {
    return find_by_vectors<pairs>(table, winners, o, count, target);
  });
#else
  const int32_t* begin = table.begin + o;
  bool wrong = false;
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t winner = winners[i];
    wrong |= winner >= table.window;
    target[i] = begin[i] + table.places[winner];
  }
  if (table.allowed) {
    const uint32_t* allowed = table.allowed + o * table.words;
    for (int64_t i = 0; i < count && !wrong; ++i, allowed += table.words) {
      wrong = !(allowed[winners[i] / 32] >> winners[i] % 32 & 1);
    }
  }
  return !wrong;
#endif
}

template <class T>
int64_t listed(const Work& work, const Backward& plan, void*, int64_t begin, int64_t end) {
  const Lookup& table = plan.table;
  for (int64_t item = begin; item < end; item += table.together) {
    const int64_t together = least(table.together, end - item), first = item * table.outputs;
    const int64_t outputs = together * table.outputs, cells = together * table.cells;
    const T* dy = static_cast<const T*>(work.source) + first;
    const uint8_t* winners = static_cast<const uint8_t*>(work.winners) + first;
    T* dx = static_cast<T*>(work.result) + item * table.cells;
    int64_t cleared = 0;
    const auto clear = [&](int64_t to) {
      for (int64_t at = cleared; at < to; at += kLineOfCache / int64_t{sizeof(T)}) {
        prefetch<true>(address(dx + at) + kAhead);
      }
      if (to > cleared) fill(dx + cleared, T{}, to - cleared), cleared = to;
    };
    for (int64_t o = 0; o < outputs; o += kListed) {
      const int64_t count = least(kListed, outputs - o);
      int32_t target[kListed];
      if (!work.find_listed(table, winners + o, o, count, target)) {
        while (work.find_listed(table, winners + o, o, 1, target)) ++o;
        return 1 + first + o;
      }
      clear(least(cells, table.reach[o / kListed]));
      const T* values = dy + o;
      int64_t i = 0;
      for (; i + 4 <= count; i += 4) {
        const int32_t* at = target + i;
        dx[at[0]] += values[i];
        dx[at[1]] += values[i + 1];
        dx[at[2]] += values[i + 2];
        dx[at[3]] += values[i + 3];
      }
      for (; i < count; ++i) dx[target[i]] += values[i];
    }
    clear(cells);
  }
  return 0;
}

}  // namespace
}  // namespace ndpool
