// Small outer cells, folded straight from the user's array: an outer cell is a line of cells, and
// as many neighbours of it as a vector has lanes are a stretch. Each cell of the windows that begin
// there is one shift of the stretch; of a border, masks tell which lanes are inside. What a
// geometry's stretches are, its plan has found out once: rows of any length fill the lanes, and an
// outer cell of 7 x 7 takes four steps. AVX-512 alone has what it takes.
#pragma once

#include "direct.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

template <class T>
inline bool has_nan(const T* x, int64_t count) {
  constexpr int L = kLanes<T>;
  if constexpr (!std::is_floating_point_v<T>) return false;
  Seen<T, T> seen;
  int64_t i = 0;
  for (; i + 2 * L <= count; i += 2 * L) seen.look(load(x + i), load(x + i + L));
  for (; i < count; i += L) {
    const Vec<T> rest = load_masked(x + i, bits_between(0, count - i), T{});
    seen.look(rest, rest);
  }
  return static_cast<bool>(seen);
}

template <class V>
inline V compressed(V v, uint64_t lanes) {
  if constexpr (sizeof(v[0]) == 4) {
    return (V)_mm512_maskz_compress_epi32(static_cast<__mmask16>(lanes), (__m512i)v);
  } else if constexpr (sizeof(v[0]) == 8) {
    return (V)_mm512_maskz_compress_epi64(static_cast<__mmask8>(lanes), (__m512i)v);
  } else {
    return v;  // plans have no gaps in these
  }
}

// kTaps: the cells of a window, or 0 for any number.
template <class T, int kTaps>
class Fold {
 public:
  Fold(const Work& work, const Forward& plan)
      : line_(plan.line), taps_(kTaps ? kTaps : work.cells), offset_(plan.line.offset) {}

  template <bool kClean, bool kWinners>
  void outer_cell(const T* x, T* y, uint8_t* winners) const {
    for (int64_t i = 0; i < line_.count; ++i) {
      const Stretch& stretch = line_.stretch[i];
      const T* from = x + stretch.x;
      const uint64_t bits = bits_between(0, stretch.outputs);
      Best<T> best = stretch.edge < 0 ? windows<kClean, kWinners, false>(from, 0)
                                      : windows<kClean, kWinners, true>(from, stretch.edge);
      if (stretch.lanes != bits) {
        best.value = compressed(best.value, stretch.lanes);
        if constexpr (kWinners) best.winner = compressed(best.winner, stretch.lanes);
      }
      store_some(y + stretch.y, best.value, bits);
      if constexpr (kWinners) store_bytes<T>(winners + stretch.y, best.winner, bits);
    }
  }

 private:
  template <bool kClean, bool kWinners, bool kEdge>
  inline Best<T> windows(const T* from, int64_t edge) const {
    const uint64_t* inside = line_.inside + edge * taps_;
    const auto cells = [&](int64_t tap) {
      const T* at = from + offset_[tap];
      return kEdge ? load_masked(at, inside[tap], low_) : load(at);
    };
    Best<T> best{cells(0), {}};
    if constexpr (kWinners && kEdge) best.winner = widen_winners<T>(line_.first + edge * 64);
    Vec<Winner<T>> winner{};
    const Vec<Winner<T>> one = broadcast<Winner<T>>(1);
    for (int64_t tap = 1; tap < (kTaps ? kTaps : taps_); ++tap) {
      winner += one;
      fold_in<kClean, kWinners, T>(best, cells(tap), winner);
    }
    return best;
  }

  const Stretches line_;
  const int64_t taps_;
  const int64_t* const offset_;
  const T low_ = lowest<T, T>();
};

template <class T, int kTaps>
int64_t stretches_of(const Work& work, const Forward& plan, int64_t begin, int64_t end) {
  const Fold<T, kTaps> fold(work, plan);
  Walk walk(work, plan, begin);
  Ahead<false> next_x;
  Ahead<true> next_y;
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) {
    const T* x = static_cast<const T*>(work.source) + walk.x;
    T* y = static_cast<T*>(work.result) + walk.y;
    auto* winners = static_cast<uint8_t*>(work.winners);
    next_x.look(x);
    next_y.look(y);
    const bool clean = !has_nan(x, plan.line.cells);
    if (!winners) {
      clean ? fold.template outer_cell<true, false>(x, y, nullptr)
            : fold.template outer_cell<false, false>(x, y, nullptr);
    } else {
      winners += walk.winners;
      clean ? fold.template outer_cell<true, true>(x, y, winners)
            : fold.template outer_cell<false, true>(x, y, winners);
    }
  }
  return 0;
}

template <class T>
int64_t stretches(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  if (work.cells == 4) return stretches_of<T, 4>(work, plan, begin, end);
  if (work.cells == 9) return stretches_of<T, 9>(work, plan, begin, end);
  return stretches_of<T, 0>(work, plan, begin, end);
}

}  // namespace
}  // namespace ndpool

#endif
