// Larger windows, one apart, over wide rows, straight from the user's array: first along the rows,
// where windows of 2, 4, 8, ... cells are made of two of half their size, in registers until they
// are as wide as a vector; then down the rows, by running maxima.
#pragma once

#include "direct.h"
#include "fold.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

template <class S, class T>
class Sliding {
 public:
  Sliding(const Work& work, const Forward& plan, char*& scratch)
      : work_(work),
        down_(work.axis[0]),
        along_(work.axis[1]),
        tile_{plan.cut[0].tile, plan.cut[1].tile},
        pitch_(plan.cut[0].slot_step),
        wide_(carve_cells<T>(work.winners, pitch_ + along_.kernel, scratch)),
        rows_(carve_cells<T>(work.winners, plan.cut[0].slots * pitch_, scratch)),
        ends_(carve_cells<T>(work.winners, down_.kernel * kRunningVectors * L, scratch)),
        first_(carve<Winner<T>>(scratch, pitch_)),
        inside_(carve<uint64_t>(scratch, (pitch_ + along_.kernel) / L)) {
    while (kSteps > steps_ && 2 << steps_ <= along_.kernel) ++steps_;
  }

  // To be called when `walk` came to another tile.
  void look_at(const Walk& walk) {
    const Axis* axis = work_.axis;
    for (int a = 0; a < 2; ++a) {
      begin_[a] = walk.tile[a] * tile_[a];
      count_[a] = least(tile_[a], axis[a].out - begin_[a]);
      start_[a] = begin_[a] - axis[a].before;
    }
    const int64_t cells = pitch_ + along_.kernel;  // padding, from row to row
    fill(wide_.values, kLow, cells);
    if (wide_.winners) fill(wide_.winners, Winner<T>{}, cells);
    // Of the vectors that windows of 2^steps_ cells begin in, some may be padding alone.
    const int64_t n = axis[1].n - start_[1], reach = count_[1] + axis[1].kernel - 1;
    first_wide_ = most(0, -start_[1] - (int64_t{1} << steps_)) / L * L;
    last_wide_ = (ceil_div(least(reach, n), L) - 1) * L;
    for (int64_t i = first_wide_; i <= last_wide_; i += L) {
      inside_[i / L] = bits_between(-start_[1] - i, n - i);
    }
    for (int64_t i = 0; i < count_[1]; ++i) {
      first_[i] = static_cast<Winner<T>>(most(0, -start_[1] - i));
    }
  }

  // False, and nothing is written, where values are not in order as T.
  bool write(const Walk& walk) {
    const int64_t lo = most(0, -start_[0]);
    const int64_t hi = least(count_[0] + down_.kernel - 1, down_.n - start_[0]);
    const S* x = static_cast<const S*>(work_.source) + walk.x + start_[0] * down_.x_step;
    const S* y = static_cast<S*>(work_.result) + walk.y + begin_[0] * down_.y_step + begin_[1];
    const auto all_rows = [&](auto clean, auto winners) {
      Seen<S, T> seen;
      for (int64_t r = lo; r < hi; ++r) {
        along<clean(), winners()>(x + r * down_.x_step, r * pitch_,
                                  address(y + least(r - lo, count_[0] - 1) * down_.y_step), seen);
      }
      return !seen;
    };
    bool clean = true;
    choose<T>(true, work_.winners, false,
              [&](auto is_clean, auto winners, auto) { clean = all_rows(is_clean, winners); });
    if (!clean && std::is_integral_v<T>) return false;
    choose<T>(clean, work_.winners, work_.winners, [&](auto is_clean, auto winners, auto) {
      if constexpr (!is_clean()) all_rows(is_clean, winners);
      down<is_clean(), winners()>(walk, lo, hi);
    });
    return true;
  }

 private:
  static constexpr int64_t L = kLanes<T>;
  static constexpr int kSteps = __builtin_ctz(kLanes<T>);  // to windows as wide as a vector
  static constexpr T kLow = lowest<S, T>();

  // The windows of a row of the input, which go to `to` in the rows.
  template <bool kClean, bool kWinners>
  inline void along(const S* x, int64_t to, int64_t y, Seen<S, T>& seen) const {
    widen<kClean, kWinners>(x, seen, std::make_integer_sequence<int, kSteps>{});
    const int64_t kernel = along_.kernel, wide = int64_t{1} << steps_;
    for (int64_t i = (ceil_div(count_[1], L) - 1) * L; i >= 0; i -= L) {
      Best<T> best = wide_at<kWinners>(i);
      const auto add = [&](int64_t tap) {
        const Best<T> next = wide_at<kWinners>(i + tap);
        fold_in<kClean, kWinners, T>(best, next.value,
                                     next.winner + broadcast(static_cast<Winner<T>>(tap)));
      };
      for (int64_t tap = wide; tap < kernel - wide; tap += wide) add(tap);
      if (kernel > wide) add(kernel - wide);
      prefetch<true>(y + i * int64_t{sizeof(S)});
      store(rows_.values + to + i, best.value);
      if constexpr (kWinners) store(rows_.winners + to + i, best.winner);
    }
  }

  // Windows of 2^steps_ cells of the row, from the tile's first on. From the last vector to the
  // first, as each goes on into the next.
  template <bool kClean, bool kWinners, int... kStep>
  inline void widen(const S* x, Seen<S, T>& seen, std::integer_sequence<int, kStep...>) const {
    const S* from = x + start_[1];
    const bool readable = work_.cells_of_source.has(from + first_wide_, from + last_wide_ + L);
    Best<T> next[kSteps];
    for (auto& some : next) some.value = broadcast(kLow), some.winner = Vec<Winner<T>>{};
    for (int64_t i = last_wide_; i >= first_wide_; i -= L) {
      Best<T> wide{load_some<S, T>(from + i, inside_[i / L], kLow, readable), {}};
      seen.look(wide.value);
      prefetch<false>(address(from + i) + kAhead);
      const auto step = [&](auto number) __attribute__((always_inline)) {
        constexpr int s = number(), kBy = 1 << s;
        if (steps_ <= s) return;
        const Best<T> now = wide;
        Vec<Winner<T>> winner = broadcast(static_cast<Winner<T>>(kBy));
        if constexpr (kWinners && s > 0) {
          winner += shifted_lanes<kBy, Winner<T>>(now.winner, next[s].winner);
        }
        fold_in<kClean, kWinners, T>(wide, shifted_lanes<kBy, T>(now.value, next[s].value), winner);
        next[s] = now;
      };
      (step(std::integral_constant<int, kStep>{}), ...);
      store(wide_.values + i, wide.value);
      if constexpr (kWinners) store(wide_.winners + i, wide.winner);
    }
  }

  template <bool kWinners>
  inline Best<T> wide_at(int64_t i) const {
    Best<T> found{load(wide_.values + i), {}};
    if constexpr (kWinners) found.winner = load(wide_.winners + i);
    return found;
  }

  // All outputs, from the windows of the rows from `lo` to `hi`.
  template <bool kClean, bool kWinners>
  void down(const Walk& walk, int64_t lo, int64_t hi) const {
    const Pass pass{1,       0,       0,         count_[1], down_.kernel,
                    nullptr, nullptr, count_[0], 1,         along_.kernel};
    const Running<T, kClean, kWinners, kWinners> running(pass, pitch_, lo, hi, kLow, ends_.values,
                                                         ends_.winners);
    const int64_t first = walk.y + begin_[0] * down_.y_step + begin_[1];
    const auto write = [&](auto winner) {
      using W = decltype(winner);
      running.write(rows_.values, rows_.winners, [&](int64_t, int64_t, int64_t cell) {
        return Column<kWinners, W>(*this, first + cell, cell, lo);
      });
    };
    if constexpr (kWinners && sizeof(T) > 1) {
      if (work_.winner_bytes == 2) return write(uint16_t{});
    }
    write(uint8_t{});
  }

  // Where some vectors of neighbouring outputs go, row by row.
  template <bool kWinners, class W>
  class Column {
   public:
    Column(const Sliding& of, int64_t place, int64_t cell, int64_t lo)
        : y_(static_cast<S*>(of.work_.result) + place),
          winners_(shifted(static_cast<W*>(of.work_.winners), place)),
          step_(of.down_.y_step),
          lo_(lo),
          kernel_(of.along_.kernel),
          padded_(of.work_.padded) {
      for (int v = 0; v < kRunningVectors; ++v, cell += L) {
        bits_[v] = bits_between(0, of.count_[1] - cell);
        first_[v] = load(of.first_ + (bits_[v] ? cell : 0));
      }
    }
    void operator()(int64_t o, const Best<T> (&bests)[kRunningVectors]) const {
      for (int v = 0; v < kRunningVectors; ++v) {
        put_cells<S, T>(y_ + o * step_ + v * L, bests[v].value, bits_[v]);
        if constexpr (kWinners) {
          auto winner = bests[v].winner;
          if (padded_) {  // where no more than padding was found, the first cell inside has won
            const auto row = broadcast(static_cast<Winner<T>>(most(0, lo_ - o) * kernel_));
            winner = pick(bests[v].value == broadcast(kLow), row + first_[v], winner);
          }
          store_winners<T>(winners_ + o * step_ + v * L, winner, bits_[v]);
        }
      }
    }

   private:
    S* const y_;
    W* const winners_;
    const int64_t step_, lo_, kernel_;
    const bool padded_;
    uint64_t bits_[kRunningVectors];
    Vec<Winner<T>> first_[kRunningVectors];
  };

  const Work& work_;
  const Axis down_, along_;
  const int64_t tile_[2], pitch_;  // outputs; cells from one row to the next
  const Cells<T> wide_;            // windows of 2^steps_ cells along the row at hand
  const Cells<T> rows_;            // windows along each row of the tile
  const Cells<T> ends_;            // see Running
  Winner<T>* const first_;         // along a row: of each output, the first cell inside
  uint64_t* const inside_;         // of each vector along a row: the cells inside
  int steps_ = 0;
  int64_t first_wide_, last_wide_;
  int64_t begin_[2], count_[2];  // outputs of the tile
  int64_t start_[2];             // where its first window begins
};

// The item it came to: `end`, or the first one with values that are not in order as T.
template <class S, class T>
int64_t slide_items(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                    int64_t end) {
  char* free = static_cast<char*>(scratch);
  Sliding<S, T> sliding(work, plan, free);
  const int64_t stop = each_item(
      work, plan, begin, end, [&](const Walk& walk) { sliding.look_at(walk); },
      [&](const Walk& walk, int64_t item) { return sliding.write(walk) ? 0 : 1 + item; });
  return stop ? stop - 1 : end;
}

// Wide: what takes winners of more cells than a winner as wide as T can count.
template <class S, class T, class Wide = T>
int64_t sliding(const Work& work, const Forward& plan, void* scratch, int64_t begin, int64_t end) {
  const bool counted = !work.winners || work.winner_bytes <= static_cast<int>(sizeof(T));
  counted ? slide_items<S, T>(work, plan, scratch, begin, end)
          : slide_items<S, Wide>(work, plan, scratch, begin, end);
  return 0;
}

template <class S>
int64_t sliding_halves(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                       int64_t end) {
  return by_halves(work, plan, scratch, begin, end, slide_items<S, int16_t>, slide_items<S, float>);
}

}  // namespace
}  // namespace ndpool

#endif
