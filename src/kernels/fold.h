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
  Vec<T> best[kUnroll];
  Vec<Winner<T>> winner[kUnroll];
  const auto at = [&](int u, int64_t pitch) { return u / kPerRow * pitch + u % kPerRow * apart; };
  const int64_t start = pass.offset[0], pitch = pass.from_pitch;
  for (int u = 0; u < kUnroll; ++u) best[u] = load(from + start + at(u, pitch));
  if constexpr (kWinners) {
    const auto add = broadcast(static_cast<Winner<T>>(pass.add[0]));
    for (int u = 0; u < kUnroll; ++u) {
      winner[u] = add;
      if constexpr (kHaveWinners) winner[u] += load(from_winner + start + at(u, pitch));
    }
  }
  for (int64_t t = 1; t < pass.taps; ++t) {
    const int64_t offset = pass.offset[t];
    Vec<Winner<T>> add{};
    if constexpr (kWinners) add = broadcast(static_cast<Winner<T>>(pass.add[t]));
    for (int u = 0; u < kUnroll; ++u) {
      const Vec<T> next = load(from + offset + at(u, pitch));
      if constexpr (kClean && !kWinners) {
        best[u] = greater<T>(next, best[u]);
        continue;
      }
      const auto wins = [&] {
        if constexpr (kClean) return above<T>(next, best[u]);
        if constexpr (!kClean) return beats<T>(next, best[u]);
      }();
      best[u] = pick(wins, next, best[u]);
      if constexpr (kHaveWinners) {
        winner[u] = pick(wins, load(from_winner + offset + at(u, pitch)) + add, winner[u]);
      } else if constexpr (kWinners) {
        winner[u] = pick(wins, add, winner[u]);
      }
    }
  }
  for (int u = 0; u < kUnroll; ++u) {
    store(to + at(u, pass.to_pitch), best[u]);
    if constexpr (kWinners) store(to_winner + at(u, pass.to_pitch), winner[u]);
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

// Fold `rows` rows of `run` cells each. Writes up to two vectors more than the last of them.
template <class T>
void fold(bool winners, bool clean, T* to, Winner<T>* to_winner, const T* from,
          const Winner<T>* from_winner, const Pass& pass, int64_t rows, int64_t run) {
  const auto go = [&](auto is_clean) {
    if (!winners) {
      fold_rows<T, is_clean(), false, false>(to, to_winner, from, from_winner, pass, rows, run);
    } else if (from_winner) {
      fold_rows<T, is_clean(), true, true>(to, to_winner, from, from_winner, pass, rows, run);
    } else {
      fold_rows<T, is_clean(), true, false>(to, to_winner, from, from_winner, pass, rows, run);
    }
  };
  if constexpr (std::is_floating_point_v<T>) {
    if (!clean) return go(std::false_type{});
  }
  go(std::true_type{});
}

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
  void write(const Walk& walk, const T* from, const Winner<T>* from_winner, bool clean) {
    clean_ = clean;
    line(0, 0, 0, walk.y + start_, from, from_winner);
  }

 private:
  NDPOOL_RECURSIVE void line(int a, int64_t at, int64_t number, int64_t y, const T* from,
                             const Winner<T>* from_winner) {
    if (a == flat_) return cells(number, y, from + at, shifted(from_winner, at));
    int64_t per = plan_.inner_tile;
    for (int i = a + 1; i < work_.axes; ++i) per *= plan_.cut[i].tile;
    for (int64_t o = 0; o < count_[a]; ++o) {
      line(a + 1, at + o * plan_.last_step[a], number + o * per, y + o * work_.axis[a].y_step, from,
           from_winner);
    }
  }

  void cells(int64_t number, int64_t y, const T* from, const Winner<T>* from_winner) {
    S* to = static_cast<S*>(work_.result) + y;
    Pass pass = plan_.pass[plan_.passes - 1];
    pass.to_pitch = run_;
    const int64_t at_once = most(1, plan_.chunk / run_);  // rows
    const int64_t step = least(run_, plan_.chunk);
    for (int64_t row = 0, done = 0; row < rows_; row += at_once) {
      const int64_t rows = least(at_once, rows_ - row), from_row = row * pass.from_pitch;
      for (int64_t i = 0; i < run_; i += step) {
        const int64_t run = least(step, run_ - i), n = rows * run;
        fold<T>(work_.winners, clean_, values_, winners_, from + from_row + i,
                shifted(from_winner, from_row + i), pass, rows, run);
        emit(to + done, values_, n);
        if (work_.winners) {
          if (work_.padded) settle(number + done, n);
          switch (work_.winner_bytes) {
            case 1: write_winners<uint8_t>(y + done, n); break;
            case 2: write_winners<uint16_t>(y + done, n); break;
            default: write_winners<uint32_t>(y + done, n);
          }
        }
        done += n;
      }
    }
  }

  template <class W>
  void write_winners(int64_t at, int64_t n) {
    emit(static_cast<W*>(work_.winners) + at, winners_, n);
  }

  // Padding is filled with the lowest value. Where the best is no higher, all cells of the window
  // are equal, and the first of those that are no padding has won.
  void settle(int64_t number, int64_t n) {
    const T low = lowest<S, T>();
    if (!any_equal(values_, n, low)) return;
    if (!known_) write_table(0, 0, 0);
    known_ = true;
    for (int64_t i = 0; i < n; ++i) {
      winners_[i] = values_[i] == low ? table_[number + i] : winners_[i];
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

// The item it came to: `end`, or the first one with values that are not in order as T.
template <class S, class T>
int64_t fold_items(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                   int64_t end) {
  constexpr bool kIntegers = std::is_same_v<T, int16_t> && !std::is_same_v<S, T>;
  char* free = static_cast<char*>(scratch);
  T* tile = carve<T>(free, plan.tile_cells);
  T* values[2] = {carve<T>(free, plan.buffer), carve<T>(free, plan.buffer)};
  Winner<T>* winners[2] = {nullptr, nullptr};
  if (work.winners) {
    for (auto& buffer : winners) buffer = carve<Winner<T>>(free, plan.buffer);
  }
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
    const bool clean = !any_nan(tile, plan.tile_cells);
    const T* from = tile;
    const Winner<T>* from_winner = nullptr;
    for (int p = 0; p < plan.passes - 1; ++p) {
      const Pass& pass = plan.pass[p];
      fold<T>(work.winners, clean, values[p & 1], winners[p & 1], from, from_winner, pass,
              pass.rows, pass.run);
      from = values[p & 1];
      from_winner = winners[p & 1];
    }
    last_pass.write(walk, from, from_winner, clean);
  }
  return end;
}

template <class S, class T>
int64_t forward(const Work& work, const Forward& plan, void* scratch, int64_t begin, int64_t end) {
  fold_items<S, T>(work, plan, scratch, begin, end);
  return 0;
}

// Halves, as integers where they are in order and these can count the winners.
template <class S>
int64_t forward_halves(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                       int64_t end) {
  const bool counted = work.cells <= 1 << 16;
  while (begin < end) {
    if (counted) begin = fold_items<S, int16_t>(work, plan, scratch, begin, end);
    const int64_t next = counted ? least(begin + 1, end) : end;
    fold_items<S, float>(work, plan, scratch, begin, next);
    begin = next;
  }
  return 0;
}

}  // namespace
}  // namespace ndpool
