// Windows of an odd number of cells, one apart, with an output for each cell of small outer cells:
// all these are one line of cells, and what is best around each of them is the line held against
// itself, a few cells on. Axis by axis: what is best along a row is kept for all windows that have
// it; a window wider than five cells takes several such passes, each of which widens all it has.
// Which cells of a pass lie beyond the ends of an axis, its plan has found out once, as masks.
#pragma once

#include "direct.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

template <class S, class T>
class Shifts {
 public:
  Shifts(const Work& work, const Forward& plan, void* scratch)
      : work_(work),
        plan_(plan),
        held_(plan.held),
        cells_(work.outer_count * plan.held.cells),
        scratch_(static_cast<char*>(scratch)) {}

  // All of a share of outer cells.
  void write(int64_t share) {
    const int64_t from = share * held_.share;
    const int64_t count = least(held_.share, cells_ - from);
    work_.winners ? write<true>(from, count) : write<false>(from, count);
  }

 private:
  // With care for NaN; halves that are not in order as T are computed as floats.
  using Exact = std::conditional_t<std::is_same_v<S, T>, T, float>;

  template <class C>
  struct Kept {
    C* values;
    Winner<C>* numbers;  // of their cells, from the one at this place on
  };

  template <bool kWinners>
  void write(int64_t from, int64_t count) {
    if (passes<T, true, kWinners>(from, count)) return;
    if constexpr (!std::is_integral_v<S>) passes<Exact, false, kWinners>(from, count);
  }

  // False where all has to be exact.
  template <class C, bool kClean, bool kWinners>
  bool passes(int64_t from, int64_t count) const {
    char* free = scratch_;
    Kept<C> kept[2];
    for (Kept<C>& one : kept) {
      const int64_t room = held_.share + kLanes<C> + 2 * held_.margin;
      one = {carve<C>(free, room) + held_.margin, carve<Winner<C>>(free, room) + held_.margin};
    }
    const int last = plan_.passes - 1;
    for (int p = 0; p <= last; ++p) {
      const auto go = [&](auto first, auto taps) {
        return pass<C, kClean, kWinners, first(), taps()>(p, p == last, from, count, kept[p % 2],
                                                          kept[1 - p % 2]);
      };
      constexpr std::integral_constant<int, 3> three;
      constexpr std::integral_constant<int, 5> five;
      const bool narrow = plan_.pass[p].taps == 3;
      const bool fine = p == 0
                            ? (narrow ? go(std::true_type{}, three) : go(std::true_type{}, five))
                            : (narrow ? go(std::false_type{}, three) : go(std::false_type{}, five));
      if (!fine) return false;
    }
    return true;
  }

  // kFirst: from the user's array, or from what the pass before has kept.
  template <class C, bool kClean, bool kWinners, bool kFirst, int kTaps>
  bool pass(int p, bool last, int64_t from, int64_t count, Kept<C> before, Kept<C> after) const {
    using Source = std::conditional_t<kFirst, S, C>;
    constexpr int64_t L = kLanes<C>;
    const Pass& pass = plan_.pass[p];
    const uint64_t* masks = held_.inside + p * held_.vectors * kMostShiftTaps;
    const int64_t step = pass.run, reach = kTaps / 2 * step, ends = ceil_div(count, L) * L;
    const Source* cells = nullptr;
    if constexpr (kFirst) {
      cells = static_cast<const S*>(work_.source) + from;
    } else {
      cells = before.values;
    }
    const bool inside = !kFirst || (from >= reach && from + ends + reach <= cells_);
    const auto go = [&](auto masked, auto to_result) __attribute__((always_inline)) {
      Seen<S, C> seen;
      Vec<Winner<C>> further[kTaps];
      for (int t = 0; t < kTaps; ++t) {
        further[t] = broadcast(static_cast<Winner<C>>((t - kTaps / 2) * pass.weight));
      }
      for (int64_t at = 0; at < count; at += L) {
        // those of the lanes from there on, one for each tap
        const auto* bits = masks + at / kMaskLanes * kMostShiftTaps;
        const auto there = [&](int t) {
          if constexpr (L == kMaskLanes) return bits[t];
          return bits[t] >> (at % kMaskLanes);
        };
        const auto cell = [&](int t) {
          const Source* c = cells + at + (t - kTaps / 2) * step;
          if constexpr (masked()) {
            const uint64_t some = there(t) & bits_between(0, count - at);
            return load_some<Source, C>(c, some, lowest<S, C>());
          }
          const Vec<C> all = in_register(load_cells<Source, C>(c));
          return t == kTaps / 2 ? all : select(there(t), all, broadcast(lowest<S, C>()));
        };
        const auto number = [&](int t) {
          if constexpr (kFirst) return further[t];
          return load(before.numbers + at + (t - kTaps / 2) * step) + further[t];
        };
        if constexpr (kFirst) prefetch<false>(address(cells + at) + kAhead);
        Best<C> best{cell(0), {}};
        if constexpr (kWinners) {  // of equal cells the first one inside wins
          best.winner = number(kTaps / 2);
          for (int t = kTaps / 2 - 1; t >= 0; --t) {
            best.winner = select(there(t), number(t), best.winner);
          }
        }
        for (int t = 1; t < kTaps; ++t) {
          const Vec<C> next = cell(t);
          if constexpr (kFirst && kClean) {
            if (t == kTaps / 2) seen.look(next);
          }
          fold_in<kClean, kWinners, C>(best, next, kWinners ? number(t) : Vec<Winner<C>>{});
        }
        if constexpr (to_result()) {
          const uint64_t some = count - at < L ? bits_between(0, count - at) : kAll;
          S* y = static_cast<S*>(work_.result) + from + at;
          prefetch<true>(address(y) + kWriteAhead);
          put_cells<S, C>(y, best.value, some);
          if constexpr (kWinners) {
            const auto first = broadcast(static_cast<Winner<C>>(held_.center));
            auto* winners = static_cast<uint8_t*>(work_.winners) + from + at;
            store_bytes<C>(winners, best.winner + first, some);
          }
        } else {
          store(after.values + at, best.value);
          if constexpr (kWinners) store(after.numbers + at, best.winner);
        }
      }
      return !kClean || !seen;
    };
    constexpr std::true_type yes;
    constexpr std::false_type no;
    if constexpr (kFirst) {
      if (!inside) return last ? go(yes, yes) : go(yes, no);
    }
    return last ? go(no, yes) : go(no, no);
  }

  static constexpr int64_t kMaskLanes = 64 / static_cast<int64_t>(sizeof(S));  // as plans have them
  static constexpr uint64_t kAll = ~uint64_t{0};

  const Work& work_;
  const Forward& plan_;
  const Held held_;
  const int64_t cells_;  // of all outer cells
  char* const scratch_;
};

template <class S, class T>
int64_t shifts(const Work& work, const Forward& plan, void* scratch, int64_t begin, int64_t end) {
  Shifts<S, T> way(work, plan, scratch);
  for (int64_t share = begin; share < end; ++share) way.write(share);
  return 0;
}

}  // namespace
}  // namespace ndpool

#endif
