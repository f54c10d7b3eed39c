// Windows that are long runs of neighbouring cells, and hardly overlap: as in pooling of whole
// planes to one output each. A run is folded lane by lane; where its best is, if that is asked for,
// a second look finds out.
#pragma once

#include "tiles.h"

namespace ndpool {
namespace {

template <class S, class T>
class Runs {
 public:
  Runs(const Work& work, const Forward&) : work_(work), last_(work.axes - 1) {
    const Axis& along = work.axis[0];
    short_ = last_ == 0 && work.winner_bytes == 1 && along.kernel >= L &&
             along.kernel <= (work.winners ? 2 : 1) * kShort * L && along.y_step == 1 &&
             along.winner_step == 1;
    for (int lane = 0; lane < L; ++lane) numbers_[lane] = static_cast<Winner<T>>(lane);
  }

  void look_at(const Walk&) {}
  void write(const Walk& walk) {
    outputs(0, static_cast<const S*>(work_.source) + walk.x, walk.y, walk.winners);
  }

 private:
  static constexpr int L = kLanes<T>;
  static constexpr int64_t kLine = kLineOfCache / sizeof(S);  // cells
  static constexpr int64_t kShort = 8;  // vectors of a run that is short; twice that with winners

  NDPOOL_RECURSIVE void outputs(int a, const S* x, int64_t y, int64_t winner) {
    if (a == work_.axes) return output(x, y, winner);
    const Axis& along = work_.axis[a];
    for (int64_t o = 0; o < along.out; ++o) {
      begin_[a] = o * along.stride - along.before;
#if defined(NDPOOL_AVX512)
      if constexpr (sizeof(T) > 1) {
        if (o + L <= along.out && short_ &&
            (work_.winners ? short_runs<true>(x, y + o, winner + o)
                           : short_runs<false>(x, y + o, winner + o))) {
          o += L - 1;
          continue;
        }
      }
#endif
      outputs(a + 1, x, y + o * along.y_step, winner + o * along.winner_step);
    }
  }

#if defined(NDPOOL_AVX512)
  // As many windows as a vector has lanes, of some vectors of cells each, from the one at hand on.
  // False, and nothing done, where one is not whole or has a NaN; or, without winners, where its
  // best is zero: of 0.0 and -0.0 the first counts.
  template <bool kWinners>
  bool short_runs(const S* x, int64_t y, int64_t winner) const {
    const Axis& along = work_.axis[0];
    const int64_t count = along.kernel;
    if (begin_[0] < 0 || begin_[0] + (L - 1) * along.stride + count > along.n) return false;
    const S* first = x + begin_[0];
    const Vec<Winner<T>> a_vector = broadcast(static_cast<Winner<T>>(L));
    const Vec<Winner<T>> of_last = numbers_ + broadcast(static_cast<Winner<T>>(count - L));
    Best<T> best[L];
    auto nan = unordered<T>(Vec<T>{}, Vec<T>{});
    for (int u = 0; u < L; ++u) {
      const S* from = first + u * along.stride;
      if constexpr (kWinners) {  // (without them, asking takes longer than the rest)
        for (int64_t i = 0; i < count; i += kLine) prefetch<false>(address(from + i) + kAhead);
      }
      const Vec<T> last = load_cells<S, T>(from + count - L);
      Best<T> found{load_cells<S, T>(from), numbers_};
      Vec<Winner<T>> number = numbers_;
      if constexpr (std::is_floating_point_v<T>) nan |= unordered<T>(found.value, last);
      for (int64_t i = L; i + L < count; i += L) {
        const Vec<T> cells = load_cells<S, T>(from + i);
        if constexpr (std::is_floating_point_v<T>) nan |= unordered<T>(cells, cells);
        number += a_vector;
        fold_in<true, kWinners, T>(found, cells, number);
      }
      fold_in<true, kWinners, T>(found, last, of_last);
      best[u] = found;
    }
    if constexpr (std::is_floating_point_v<T>) {
      if (any(nan)) return false;
    }
    join<1, kWinners>(best);
    if constexpr (std::is_floating_point_v<T> && !kWinners) {
      if (equal_bits<T>(best[0].value, Vec<T>{})) return false;
    }
    put_cells<S, T>(static_cast<S*>(work_.result) + y, best[0].value);
    if constexpr (kWinners) {
      store_bytes<T>(static_cast<uint8_t*>(work_.winners) + winner, best[0].winner, ~uint64_t{0});
    }
    return true;
  }

  // Of vectors whose lanes are those of kOf windows in turn: the best of each window goes to the
  // lane of its number in the first.
  template <int kOf, bool kWinners>
  static inline void join(Best<T>* best) {
    using Bits = Vec<Winner<T>>;
    constexpr std::make_integer_sequence<int, L> lanes;
    for (int u = 0; u < L / (2 * kOf); ++u) {
      const auto& [a, a_winner] = best[2 * u];
      const auto& [b, b_winner] = best[2 * u + 1];
      Best<T> some{lower<kOf>(a, b, lanes), {}};
      const Vec<T> others = upper<kOf>(a, b, lanes);
      if constexpr (kWinners) {
        some.winner = lower<kOf>(a_winner, b_winner, lanes);
        const auto winner = upper<kOf>(a_winner, b_winner, lanes);
        const auto earlier = (Bits)(others == some.value) & (Bits)(winner < some.winner);
        const Bits wins = (Bits)(others > some.value) | earlier;
        some = {pick(wins, others, some.value), pick(wins, winner, some.winner)};
      } else {
        some.value = greater<T>(some.value, others);
      }
      best[u] = some;
    }
    if constexpr (2 * kOf < L) join<2 * kOf, kWinners>(best);
  }
  // Of each kOf lanes of the one vector, then of the other, those in even and in odd places.
  template <int kOf, class V, int... kLane>
  static inline V lower(V a, V b, std::integer_sequence<int, kLane...>) {
    return __builtin_shufflevector(a, b, (kLane % (2 * kOf) < kOf ? kLane : L + kLane - kOf)...);
  }
  template <int kOf, class V, int... kLane>
  static inline V upper(V a, V b, std::integer_sequence<int, kLane...>) {
    return __builtin_shufflevector(a, b, (kLane % (2 * kOf) < kOf ? kLane + kOf : L + kLane)...);
  }
#endif

  void output(const S* x, int64_t y, int64_t winner) {
    best_ = broadcast(lowest<S, T>());
    nan_ = Vec<Winner<T>>{};
    rows(0, x, 0, [this](const S* from, int64_t count, int64_t) {
      fold(from, count);
      return false;
    });
    T lanes[L];
    store(lanes, best_);
    for (int half = L / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i)
        lanes[i] = lanes[i + half] > lanes[i] ? lanes[i + half] : lanes[i];
    }
    const T value = lanes[0];
    const bool nan = any(nan_);
    S* to = static_cast<S*>(work_.result) + y;
    const bool as_is = std::is_integral_v<T> || (!nan && value != T{});
    if (as_is && !work_.winners) return narrow(value, *to);
    // the first of those that are equal, as 0.0 and -0.0 are; or the first NaN
    rows(0, x, 0, [&](const S* from, int64_t count, int64_t number) {
      const int64_t at = find(from, count, value, nan);
      if (at == count) return false;
      *to = from[at];
      if (work_.winners) put_winner(winner, number + at);
      return true;
    });
  }

  // The parts of the window at hand that are inside the input, in order, until `look` is content.
  template <class Look>
  bool rows(int a, const S* x, int64_t number, const Look& look) const {
    const Axis& along = work_.axis[a];
    number *= along.kernel;
    const auto [from, to] = taps_inside(along, begin_[a]);
    if (a == last_) return look(x + begin_[a] + from, to - from, number + from);
    for (int64_t t = from; t < to; ++t) {
      const S* row = x + (begin_[a] + t * along.dilation) * along.x_step;
      if (rows(a + 1, row, number + t, look)) return true;
    }
    return false;
  }

  void fold(const S* from, int64_t count) {
    Vec<T> best = best_;
    Vec<Winner<T>> nan = nan_;
    const auto add = [&](Vec<T> cells) {
      if constexpr (std::is_floating_point_v<T>) nan |= (Vec<Winner<T>>)(cells != cells);
      best = greater<T>(cells, best);
    };
    int64_t i = 0;
    for (; i + L <= count; i += L) add(load_cells<S, T>(from + i));
    if (i < count && count >= L) {
      add(load_cells<S, T>(from + count - L));  // some once more
    } else if (i < count) {
      S some[L];
      for (int lane = 0; lane < L; ++lane) some[lane] = from[least(lane, count - 1)];
      add(load_cells<S, T>(some));
    }
    best_ = best;
    nan_ = nan;
  }

  // Where the value is, or a NaN; or `count`.
  int64_t find(const S* from, int64_t count, T value, bool nan) const {
    int64_t i = 0;
    if (!nan) {
      const Vec<T> wanted = broadcast(value);
#if defined(NDPOOL_AVX512)
      if (count >= L && count <= kShort * L) {  // to stop somewhere is a mispredicted branch
        int64_t at = count;
        const auto look = [&](int64_t from_cell) {
          const uint64_t bits = equal_bits<T>(load_cells<S, T>(from + from_cell), wanted);
          if (bits) at = from_cell + __builtin_ctzll(bits);
        };
        look(count - L);
        for (int64_t block = (count - 1) / L - 1; block >= 0; --block) look(block * L);
        return at;
      }
#endif
      for (; i + L <= count; i += L) {
        if (any(load_cells<S, T>(from + i) == wanted)) break;
      }
    }
    for (; i < count; ++i) {
      const T cell = as<T>(from[i]);
      if (nan ? cell != cell : cell == value) break;
    }
    return i;
  }

  void put_winner(int64_t at, int64_t winner) const {
    switch (work_.winner_bytes) {
      case 1: static_cast<uint8_t*>(work_.winners)[at] = static_cast<uint8_t>(winner); return;
      case 2: static_cast<uint16_t*>(work_.winners)[at] = static_cast<uint16_t>(winner); return;
      default: static_cast<uint32_t*>(work_.winners)[at] = static_cast<uint32_t>(winner);
    }
  }

  const Work& work_;
  const int last_;
  bool short_;                // see short_runs
  Vec<Winner<T>> numbers_;    // of lanes
  int64_t begin_[kMostAxes];  // of the window at hand
  Vec<T> best_;
  Vec<Winner<T>> nan_;
};

template <class S, class T>
int64_t runs(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  return write_all<Runs<S, T>>(work, plan, begin, end);
}

}  // namespace
}  // namespace ndpool
