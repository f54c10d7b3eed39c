// Forward by tiles: a tile of the input goes to the scratch, each pass folds shifted copies of it
// into one (all taps at once for small windows, axis by axis and by doubling for large ones, which
// max allows because it is idempotent), and the last pass writes the output. Of equal cells the
// left operand wins, and taps are folded in row-major order, so the first winner survives.
#pragma once

#include "tiles.h"

namespace ndpool {
namespace {

// to[i] = the best of from[i + offset[t]] over the taps t; what is in the winners moves along.
// Writes up to a vector more than `run` cells.
//
// kClean: there is no NaN among them. Then a comparison is one step instead of two, and with values
// alone wanted there is only the greater of two.
//
// As many vectors as `kUnroll` go side by side: `kPerRow` of them in a row, `apart` from one to the
// next, then those of the next row.
template <class T, bool kClean, bool kWinners, bool kHaveWinners, int kUnroll, int kPerRow>
inline void fold_block(T* to, Winner<T>* to_winner, const T* from, const Winner<T>* from_winner,
                       const Pass& pass, int64_t apart) {
  Best<T> best[kUnroll];
  const auto at = [&](int u, int64_t pitch) { return u / kPerRow * pitch + u % kPerRow * apart; };
  const auto tap = [&](int64_t t, auto is_first) {
    const int64_t offset = pass.offset[t];
    const auto add = broadcast(static_cast<Winner<T>>(pass.add[t]));
    for (int u = 0; u < kUnroll; ++u) {
      const int64_t here = offset + at(u, pass.from_pitch);
      Best<T> next{load(from + here), add};
      if constexpr (kHaveWinners) next.winner += load(from_winner + here);
      if constexpr (is_first()) {
        best[u] = next;
      } else {
        fold_in<kClean, kWinners, T>(best[u], next.value, next.winner);
      }
    }
  };
  tap(0, std::true_type{});
  for (int64_t t = 1; t < pass.taps; ++t) tap(t, std::false_type{});
  for (int u = 0; u < kUnroll; ++u) {
    store(to + at(u, pass.to_pitch), best[u].value);
    if constexpr (kWinners) store(to_winner + at(u, pass.to_pitch), best[u].winner);
  }
}

template <class T, bool kClean, bool kWinners, bool kHaveWinners>
void fold_rows(T* to, Winner<T>* to_winner, const T* from, const Winner<T>* from_winner,
               const Pass& pass, int64_t rows, int64_t run) {
  constexpr int L = kLanes<T>;
  const auto block = [&](int64_t i, int64_t apart, auto unroll, auto per_row) {
    fold_block<T, kClean, kWinners, kHaveWinners, unroll(), per_row()>(
        to + i, shifted(to_winner, i), from + i, shifted(from_winner, i), pass, apart);
  };
  const auto next_rows = [&](int64_t count) {
    to += count * pass.to_pitch;
    from += count * pass.from_pitch;
    to_winner = shifted(to_winner, count * pass.to_pitch);
    from_winner = shifted(from_winner, count * pass.from_pitch);
  };
  constexpr std::integral_constant<int, 1> one;
  constexpr std::integral_constant<int, 2> two;
  constexpr std::integral_constant<int, 4> four;
  // Rows of one or two vectors: several at once. What a row's last vector writes too much, the next
  // row writes again.
  if (run <= L) {
    for (; rows >= 4; rows -= 4, next_rows(4)) block(0, 0, four, one);
  } else if (run <= 2 * L) {
    for (; rows >= 2; rows -= 2, next_rows(2)) block(0, run - L, four, two);
  }
  for (; rows > 0; --rows, next_rows(1)) {
    int64_t i = 0;
    for (; i + 2 * L < run; i += 4 * L) block(i, L, four, four);
    if (i + L < run) {
      block(i, L, two, two);
    } else if (i < run) {
      block(i, L, one, one);
    }
  }
}

// What a pass has to be compiled for: calls go(clean, winners, have winners).
template <class T, class Go>
void choose(bool clean, bool winners, bool have_winners, const Go& go) {
  constexpr std::true_type yes;
  constexpr std::false_type no;
  const auto next = [&](auto is_clean) {
    if (!winners) return go(is_clean, no, no);
    have_winners ? go(is_clean, yes, yes) : go(is_clean, yes, no);
  };
  if constexpr (std::is_floating_point_v<T>) {
    if (!clean) return next(no);
  }
  next(yes);
}

// Fold `rows` rows of `run` cells each. Writes up to two vectors more than the last of them.
template <class T>
void fold(bool winners, bool clean, T* to, Winner<T>* to_winner, const T* from,
          const Winner<T>* from_winner, const Pass& pass, int64_t rows, int64_t run) {
  choose<T>(clean, winners, from_winner, [&](auto is_clean, auto wanted, auto have) {
    fold_rows<T, is_clean(), wanted(), have()>(to, to_winner, from, from_winner, pass, rows, run);
  });
}

// Store some vectors side by side.
template <bool kWinners, class T, int kVectors>
inline void put_side_by_side(T* to, Winner<T>* to_winner, const Best<T> (&bests)[kVectors]) {
  for (int v = 0; v < kVectors; ++v) {
    store(to + v * kLanes<T>, bests[v].value);
    if constexpr (kWinners) store(to_winner + v * kLanes<T>, bests[v].winner);
  }
}

// The best of all windows along an axis, three comparisons for each whatever their size: the cells
// are cut into blocks as long as a window, so that a window is the end of one block and the
// beginning of the next. The best of all ends of a block are found backwards, those of all
// beginnings forwards.
//
// M. van Herk, A fast algorithm for local minimum and maximum filters on rectangular and octagonal
// kernels, Pattern Recognition Letters 13 (1992) 517-521.
//
// Some vectors of neighbouring cells go side by side, down the slots of the axis.
template <class T, bool kClean, bool kWinners, bool kHaveWinners>
class Running {
 public:
  // The cells of a slot are `pitch` from those of the next. Only slots from `lo` to `hi` count.
  // `ends` and `end_winners` have room for the ends of a block.
  Running(const Pass& pass, int64_t pitch, int64_t lo, int64_t hi, T low, T* ends,
          Winner<T>* end_winners)
      : pass_(pass),
        pitch_(pitch),
        lo_(lo),
        hi_(hi),
        low_(low),
        ends_(ends),
        end_winners_(end_winners) {}

  static constexpr int kVectors = kRunningVectors, kCells = kVectors * kLanes<T>;

  // What is found of the cells at `cell` of a row goes, for every dilation-th slot from `chain` on,
  // to put_at(row, chain, cell): to be called with the number of a slot among those, and its bests.
  template <class PutAt>
  void write(const T* from, const Winner<T>* from_winner, const PutAt& put_at) const {
    const int64_t blocks = ceil_div(pass_.run, kCells);
    for (int64_t row = 0; row < pass_.rows; ++row) {
      for (int64_t i = (blocks - 1) * kCells; i >= 0; i -= kCells) {
        for (int64_t chain = 0; chain < least(pass_.dilation, pass_.outputs); ++chain) {
          const int64_t at = row * pass_.from_pitch + chain * pitch_ + i;
          column(from + at, shifted(from_winner, at), chain, put_at(row, chain, i));
        }
      }
    }
  }

 private:
  struct Bests {
    Best<T> of[kVectors];
  };

  // The better of the two: the earlier, where they are equal.
  static inline Bests better(Bests earlier, const Bests& later) {
    for (int v = 0; v < kVectors; ++v) {
      fold_in<kClean, kWinners, T>(earlier.of[v], later.of[v].value, later.of[v].winner);
    }
    return earlier;
  }

  template <bool kStoredWinners>
  static inline Bests kept(const T* from, const Winner<T>* from_winner) {
    Bests found;
    for (int v = 0; v < kVectors; ++v) {
      found.of[v].value = load(from + v * kLanes<T>);
      found.of[v].winner = Vec<Winner<T>>{};
      if constexpr (kStoredWinners) found.of[v].winner = load(from_winner + v * kLanes<T>);
    }
    return found;
  }

  static inline void move(Bests& bests, Vec<Winner<T>> by) {
    if constexpr (kWinners) {
      for (auto& best : bests.of) best.winner += by;
    }
  }

  // All windows of every dilation-th slot, from the slot `chain` on. Winners are counted from the
  // slot at hand. (All that is used is local: what is stored could be anything else.)
  template <class Put>
  __attribute__((always_inline)) inline void column(const T* from, const Winner<T>* from_winner,
                                                    int64_t chain, const Put put) const {
    const int64_t window = pass_.taps, dilation = pass_.dilation, step = dilation * pitch_;
    const int64_t outputs = ceil_div(pass_.outputs - chain, dilation);
    const int64_t lo = ceil_div(most(0, lo_ - chain), dilation);
    const int64_t hi = hi_ > chain ? ceil_div(hi_ - chain, dilation) : 0;
    const auto weight = broadcast(static_cast<Winner<T>>(pass_.weight));
    const auto farthest = broadcast(static_cast<Winner<T>>((window - 1) * pass_.weight));
    T* const ends = ends_;
    Winner<T>* const end_winners = end_winners_;
    const auto cells = [=](int64_t j) {
      return kept<kHaveWinners>(from + j * step, shifted(from_winner, j * step));
    };
    for (int64_t first = 0; first < outputs; first += window) {
      const int64_t last = least(first + window, outputs);
      Bests best;
      for (auto& of : best.of) of.value = broadcast(low_), of.winner = Vec<Winner<T>>{};
      bool begun = false;
      for (int64_t j = least(first + window, most(hi, last)) - 1; j >= first; --j) {
        move(best, weight);
        if (j >= lo && j < hi) best = begun ? better(cells(j), best) : cells(j), begun = true;
        if (j >= last) continue;
        const int64_t at = (j - first) * kCells;
        put_side_by_side<kWinners>(ends + at, shifted(end_winners, at), best.of);
      }
      begun = false;
      for (int64_t o = first; o < last; ++o) {
        const int64_t newest = o + window - 1, at = (o - first) * kCells;
        move(best, -weight);
        if (o > first && newest >= lo && newest < hi) {
          Bests here = cells(newest);
          move(here, farthest);
          best = begun ? better(best, here) : here;
          begun = true;
        }
        const Bests end = kept<kWinners>(ends + at, shifted(end_winners, at));
        put(o, (begun ? better(end, best) : end).of);
      }
    }
  }

  const Pass& pass_;
  const int64_t pitch_, lo_, hi_;
  const T low_;
  T* const ends_;
  Winner<T>* const end_winners_;
};

// The last pass over a tile, straight into the user's arrays.
template <class S, class T>
class LastPass {
 public:
  LastPass(const Work& work, const Forward& plan, char*& scratch)
      : work_(work),
        plan_(plan),
        values_(carve<T>(scratch, plan.chunk)),
        winners_(carve<Winner<T>>(scratch, plan.chunk)),
        table_(carve<Winner<T>>(scratch, work.padded ? plan.tile_out : 0)) {
    int64_t length = work.inner;
    flat_ = work.axes;
    if (plan.inner_tiles > 1) return;
    while (flat_ > 0 && work.axis[flat_ - 1].y_step == length) {
      length *= work.axis[--flat_].out;
      if (plan.cut[flat_].tiles > 1) return;
    }
  }

  // To be called when `walk` came to another tile.
  void look_at(const Walk& walk) {
    known_ = false;
    start_ = walk.inner;
    length_ = walk.inner_count;
    for (int a = 0; a < work_.axes; ++a) {
      begin_[a] = walk.tile[a] * plan_.cut[a].tile;
      count_[a] = least(plan_.cut[a].tile, work_.axis[a].out - begin_[a]);
      start_ += begin_[a] * work_.axis[a].y_step;
      if (a >= flat_) length_ *= count_[a];
    }
    // with all taps at once, the rows of the first axis stand apart in the tile
    rows_ = plan_.joint && flat_ == 0 ? count_[0] : 1;
    run_ = length_ / rows_;
  }

  // `clean`: no NaN is in the tile.
  void write(const Walk& walk, T* from, Winner<T>* from_winner, bool clean) {
    clean_ = clean;
    line(0, 0, 0, walk.y + start_, from, from_winner);
  }

 private:
  NDPOOL_RECURSIVE void line(int a, int64_t at, int64_t number, int64_t y, T* from,
                             Winner<T>* from_winner) {
    if (a == flat_) return cells(number, y, from + at, shifted(from_winner, at));
    int64_t per = plan_.inner_tile;
    for (int i = a + 1; i < work_.axes; ++i) per *= plan_.cut[i].tile;
    for (int64_t o = 0; o < count_[a]; ++o) {
      line(a + 1, at + o * plan_.last_step[a], number + o * per, y + o * work_.axis[a].y_step, from,
           from_winner);
    }
  }

  void cells(int64_t number, int64_t y, T* from, Winner<T>* from_winner) {
    S* to = static_cast<S*>(work_.result) + y;
    Pass pass = plan_.pass[plan_.passes - 1];
    pass.to_pitch = run_;
    const int64_t at_once = most(1, plan_.chunk / run_);  // rows
    const int64_t step = least(run_, plan_.chunk);
    for (int64_t row = 0, done = 0; row < rows_; row += at_once) {
      const int64_t rows = least(at_once, rows_ - row), from_row = row * pass.from_pitch;
      for (int64_t i = 0; i < run_; i += step) {
        const int64_t run = least(step, run_ - i), n = rows * run;
        T* values = from + from_row + i;
        Winner<T>* winners = shifted(from_winner, from_row + i);
        if (!plan_.folded) {
          fold<T>(work_.winners, clean_, values_, winners_, values, winners, pass, rows, run);
          values = values_;
          winners = winners_;
        }
        emit(to + done, values, n);
        if (work_.winners) {
          if (work_.padded) settle(number + done, n, values, winners);
          emit_winners(work_, y + done, winners, n);
        }
        done += n;
      }
    }
  }

  // Padding is filled with the lowest value. Where the best is no higher, all cells of the window
  // are equal, and the first of those that are no padding has won.
  void settle(int64_t number, int64_t n, const T* values, Winner<T>* winners) {
    const T low = lowest<S, T>();
    if (!any_equal(values, n, low)) return;
    if (!known_) write_table(0, 0, 0);
    known_ = true;
    for (int64_t i = 0; i < n; ++i) {
      winners[i] = values[i] == low ? table_[number + i] : winners[i];
    }
  }

  // What wins in each window of the tile where all is as low as padding.
  NDPOOL_RECURSIVE int64_t write_table(int a, int64_t number, int64_t first_inside) {
    if (a == work_.axes) {
      fill(table_ + number, static_cast<Winner<T>>(first_inside), plan_.inner_tile);
      return number + plan_.inner_tile;
    }
    const Axis& along = work_.axis[a];
    for (int64_t o = 0; o < plan_.cut[a].tile; ++o) {
      const int64_t start = (begin_[a] + o) * along.stride - along.before;
      const int64_t tap = start < 0 ? ceil_div(-start, along.dilation) : 0;
      number = write_table(a + 1, number, first_inside * along.kernel + tap);
    }
    return number;
  }

  const Work& work_;
  const Forward& plan_;
  T* const values_;  // a chunk of them
  Winner<T>* const winners_;
  Winner<T>* const table_;
  bool clean_ = false;
  bool known_ = false;  // whether the table is that of this tile
  int flat_;            // from this axis on, outputs lie side by side in the result
  int64_t start_ = 0, length_ = 0, rows_ = 1, run_ = 0;
  int64_t begin_[kMostAxes], count_[kMostAxes];
};

// Cells in the scratch, and their winners.
template <class T>
struct Cells {
  T* values;
  Winner<T>* winners;  // or null
};
template <class T>
inline Cells<T> carve_cells(bool has_winners, int64_t count, char*& scratch) {
  T* values = carve<T>(scratch, count);
  return {values, has_winners ? carve<Winner<T>>(scratch, count) : nullptr};
}

// All passes but the last.
template <class T>
class Passes {
 public:
  Passes(const Work& work, const Forward& plan, T low, char*& scratch)
      : plan_(plan), winners_(work.winners), low_(low) {
    for (auto& buffer : buffer_) buffer = carve_cells<T>(winners_, plan.buffer, scratch);
    for (auto& band : band_) band = carve_cells<T>(winners_, plan.band_cells, scratch);
    ends_ = carve_cells<T>(winners_, plan.ends * kLanes<T>, scratch);
  }

  // Where the last pass goes on, from a tile of which the slots from `lo` to `hi` along the first
  // axis count.
  Cells<T> operator()(T* tile, bool clean, int64_t lo, int64_t hi) {
    clean_ = clean;
    Cells<T> from{tile, nullptr};
    int p = 0, buffer = 0;
    if (plan_.banded > 0) {
      const int64_t rows = plan_.pass[0].rows, slots = plan_.cut[0].slots;
      const int64_t begin = rows / slots * lo, end = rows / slots * hi;
      for (int64_t row = begin; row < end; row += plan_.band) {
        band(tile, row, least(plan_.band, end - row));
      }
      p = plan_.banded;
      from = buffer_[0];
      buffer = 1;
    }
    for (; p < plan_.passes - 1; ++p, buffer = 1 - buffer) {
      const Pass& pass = plan_.pass[p];
      const Cells<T>& to = buffer_[buffer];
      if (pass.outputs > 0) {
        const bool of_first = plan_.folded && p + 2 == plan_.passes;
        running(to, from, pass, of_first ? lo : 0, of_first ? hi : INT64_MAX);
      } else {
        folded(to, from, pass, pass.rows);
      }
      from = to;
    }
    return from;
  }

 private:
  // The passes along the last axis, of some rows of the tile: these stay in the first-level cache.
  void band(T* tile, int64_t row, int64_t rows) const {
    Cells<T> from{tile + row * plan_.pass[0].from_pitch, nullptr};
    for (int p = 0; p < plan_.banded; ++p) {
      const Pass& pass = plan_.pass[p];
      Cells<T> to = band_[p & 1];
      if (p + 1 == plan_.banded) {
        const int64_t at = row * pass.to_pitch;
        to = {buffer_[0].values + at, shifted(buffer_[0].winners, at)};
      }
      folded(to, from, pass, rows);
      from = to;
    }
  }

  void folded(const Cells<T>& to, const Cells<T>& from, const Pass& pass, int64_t rows) const {
    const bool one_run = pass.from_pitch == pass.to_pitch;
    fold<T>(winners_, clean_, to.values, to.winners, from.values, from.winners, pass,
            one_run ? 1 : rows, one_run ? pass.run + (rows - 1) * pass.from_pitch : pass.run);
  }

  void running(const Cells<T>& to, const Cells<T>& from, const Pass& pass, int64_t lo,
               int64_t hi) const {
    choose<T>(clean_, winners_, from.winners, [&](auto is_clean, auto wanted, auto have) {
      const Running<T, is_clean(), wanted(), have()> way(pass, pass.run, lo, hi, low_, ends_.values,
                                                         ends_.winners);
      // Up to two vectors more than the last row, as the first of those side by side come last.
      way.write(from.values, from.winners, [=](int64_t row, int64_t chain, int64_t cell) {
        const int64_t at = row * pass.to_pitch + chain * pass.run + cell;
        return [wanted, values = to.values + at, found = shifted(to.winners, at),
                step = pass.dilation * pass.run](int64_t slot, const auto& bests) {
          put_side_by_side<wanted()>(values + slot * step, shifted(found, slot * step), bests);
        };
      });
    });
  }

  const Forward& plan_;
  const bool winners_;
  const T low_;
  bool clean_ = false;
  Cells<T> buffer_[2], band_[2], ends_;
};

// The item it came to: `end`, or the first one with values that are not in order as T.
template <class S, class T>
int64_t fold_items(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                   int64_t end) {
  constexpr bool kIntegers = std::is_same_v<T, int16_t> && !std::is_same_v<S, T>;
  char* free = static_cast<char*>(scratch);
  T* tile = carve<T>(free, plan.tile_cells);
  Passes<T> passes(work, plan, lowest<S, T>(), free);
  LastPass<S, T> last_pass(work, plan, free);
  TileLoader<S, T> loader(work, plan);
  Walk walk(work, plan, begin);
  Ahead<false> next_x;
  Ahead<true> next_y;
  int64_t seen = -1;
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) {
    if (walk.number != seen) {
      fill(tile, lowest<S, T>(), plan.tile_cells + kLanes<T>);  // padding, from tile to tile
      loader.look_at(walk);
      last_pass.look_at(walk);
      seen = walk.number;
    }
    loader.load(walk, tile);
    next_x.look(static_cast<const S*>(work.source) + walk.x);
    next_y.look(static_cast<const S*>(work.result) + walk.y);
    if constexpr (kIntegers) {
      Disorder<S> disorder;
      for (int64_t i = 0; i < plan.tile_cells; i += kLanes<T>) disorder.look(load(tile + i));
      if (disorder) return item;
    }
    const auto [lo, hi] = plan.clipped ? loader.inside() : std::pair{int64_t{0}, plan.cut[0].slots};
    const int64_t step = plan.clipped ? plan.cut[0].slot_step : plan.tile_cells / hi;
    const bool clean = !any_nan(tile + lo * step, (hi - lo) * step);
    const auto [from, from_winner] = passes(tile, clean, lo, hi);
    last_pass.write(walk, from, from_winner, clean);
  }
  return end;
}

template <class S, class T>
int64_t forward(const Work& work, const Forward& plan, void* scratch, int64_t begin, int64_t end) {
  fold_items<S, T>(work, plan, scratch, begin, end);
  return 0;
}

// Halves, as integers where they are in order and these can count the winners, else as floats. Both
// return the item they came to.
using FoldItems = int64_t (*)(const Work&, const Forward&, void* scratch, int64_t begin,
                              int64_t end);
inline int64_t by_halves(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                         int64_t end, FoldItems as_integers, FoldItems as_floats) {
  const bool counted = work.cells <= 1 << 16;
  while (begin < end) {
    if (counted) begin = as_integers(work, plan, scratch, begin, end);
    const int64_t next = counted ? least(begin + 1, end) : end;
    as_floats(work, plan, scratch, begin, next);
    begin = next;
  }
  return 0;
}

template <class S>
int64_t forward_halves(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                       int64_t end) {
  return by_halves(work, plan, scratch, begin, end, fold_items<S, int16_t>, fold_items<S, float>);
}

}  // namespace
}  // namespace ndpool
