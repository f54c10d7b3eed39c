// Max pooling, forward with winners and backward; compiled once for each instruction set.
//
// Forward: a tile of the input goes to the scratch, each pass folds shifted copies of it into one
// (all taps at once for small windows, axis by axis and by doubling for large ones, which max
// allows because it is idempotent), and the last pass writes the output. Of equal cells the left
// operand wins, and taps are folded in row-major order, so the first winner survives.
//
// Backward: a gather. Every cell of dx sums dy over the windows whose winner points back at it, so
// each is written once, in order, whatever the number of threads. Windows of very many cells
// scatter instead, in the same order of additions.

#include "across.h"
#include "direct.h"
#include "gather_across.h"
#include "line.h"
#include "pieces.h"
#include "stretches.h"

#ifndef NDPOOL_ISA
#error "NDPOOL_ISA names the instruction set, as in kernels_avx2"
#endif

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

// ---- backward ----

template <class S, class T>
class GradientLoader {
 public:
  GradientLoader(const Work& work, const Backward& plan, T* dy, uint8_t* winners)
      : work_(work), plan_(plan), dy_(dy), winners_(winners) {}

  void look_at(const Walk& walk) {
    fill(dy_, T{}, plan_.slots_in_all);  // what lies outside stays zero from tile to tile
    fill(winners_, uint8_t{0}, plan_.slots_in_all);
    for (int a = 0; a < work_.axes; ++a) {
      const Cut& cut = plan_.cut[a];
      const int64_t first = plan_.first[a] + walk.tile[a] * cut.tile - plan_.halo[a];
      lo_[a] = most(0, -first);
      count_[a] = least(cut.slots, work_.axis[a].out - first) - lo_[a];
      from_[a] = first + lo_[a];
    }
    // From axis one_run_ on, the outputs of the tile lie end to end, where they come from and here.
    one_run_ = work_.axes - 1;
    plain_ = by_rows(work_) && work_.axis[work_.axes - 1].y_step == 1;
    if (!by_rows(work_)) return;
    int64_t length = 1;
    while (one_run_ > 0) {
      const Axis& along = work_.axis[one_run_];
      const bool whole = count_[one_run_] == along.out && plan_.cut[one_run_].slots == along.out;
      if (!whole || along.y_step != length) return;
      length *= along.out;
      const Axis& before = work_.axis[one_run_ - 1];
      if (before.y_step != length || before.winner_step != length) return;
      --one_run_;
    }
  }

  void load(const Walk& walk) const {
    axis(walk, 0, walk.y + walk.inner * work_.inner_y_step, walk.winners + walk.inner, 0);
  }

 private:
  NDPOOL_RECURSIVE void axis(const Walk& walk, int a, int64_t from, int64_t from_winner,
                             int64_t to) const {
    const Axis& along = work_.axis[a];
    from += from_[a] * along.y_step;
    from_winner += from_[a] * along.winner_step;
    to += lo_[a] * plan_.cut[a].slot_step;
    const S* source = static_cast<const S*>(work_.source);
    const auto* winners = static_cast<const uint8_t*>(work_.winners);
    const bool last = a == work_.axes - 1;
    if (a == one_run_ && by_rows(work_)) {
      const int64_t count = count_[a] * plan_.cut[a].slot_step;
      copy_strided(dy_ + to, source + from, last ? along.y_step : 1, count);
      return copy_run(winners_ + to, winners + from_winner, count);
    }
    if constexpr (std::is_same_v<S, T>) {
      if (a == work_.axes - 2 && plain_) return rows(a, from, from_winner, to);
    }
    for (int64_t o = 0; o < count_[a]; ++o) {
      if (last) {
        copy_strided(dy_ + to, source + from, work_.inner_y_step, walk.inner_count);
        copy_run(winners_ + to, winners + from_winner, walk.inner_count);
      } else {
        axis(walk, a + 1, from, from_winner, to);
      }
      from += along.y_step;
      from_winner += along.winner_step;
      to += plan_.cut[a].slot_step;
    }
  }

  // Rows along the last axis whose cells stand next to each other.
  void rows(int a, int64_t from, int64_t from_winner, int64_t to) const {
    const int last = a + 1;
    const Axis& along = work_.axis[a];
    const int64_t step = plan_.cut[a].slot_step, count = count_[last];
    const S* dy = static_cast<const S*>(work_.source) + from + from_[last];
    const auto* winners = static_cast<const uint8_t*>(work_.winners) + from_winner + from_[last];
    to += lo_[last];
    for (int64_t o = 0; o < count_[a]; ++o, to += step) {
      copy_run(dy_ + to, dy + o * along.y_step, count);
      copy_run(winners_ + to, winners + o * along.winner_step, count);
    }
  }

  const Work& work_;
  const Backward& plan_;
  T* const dy_;
  uint8_t* const winners_;
  bool plain_ = false;  // dy and winners of a row have no gaps
  int one_run_ = 0;
  int64_t lo_[kMostAxes], count_[kMostAxes], from_[kMostAxes];
};

// to[i] = the sum of dy[i + offset[t]] over the taps t whose winner is the tap itself.
template <class T, int kUnroll>
inline void gather_block(T* to, const T* dy, const uint8_t* winners, const Taps& taps) {
  constexpr int L = kLanes<T>;
  Vec<T> sum[kUnroll] = {};
  for (int64_t t = 0; t < taps.taps; ++t) {
    const int64_t at = taps.offset[t];
    const Lanes<T> tap(taps.winner[t]);
    for (int u = 0; u < kUnroll; ++u) {
      sum[u] = tap.add_where_equal(winners + at + u * L, dy + at + u * L, sum[u]);
    }
  }
  for (int u = 0; u < kUnroll; ++u) store(to + u * L, sum[u]);
}

template <class T>
void gather(T* to, const T* dy, const uint8_t* winners, const Taps& taps, int64_t run) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + 4 * L <= run; i += 4 * L) gather_block<T, 4>(to + i, dy + i, winners + i, taps);
  for (; i < run; i += L) gather_block<T, 1>(to + i, dy + i, winners + i, taps);
}

// The tile of dx: put together from the sums of each class of cells, then written.
template <class S, class T>
class GradientWriter {
 public:
  GradientWriter(const Work& work, const Backward& plan, T* whole)
      : work_(work), plan_(plan), last_(work.axes - 1), whole_(whole) {
    int64_t length = work.inner;
    flat_ = work.axes;
    if (plan.inner_tiles > 1) return;
    while (flat_ > 0 && work.axis[flat_ - 1].x_step == length) {
      length *= work.axis[--flat_].n;
      if (plan.cut[flat_].tiles > 1) return;
    }
  }

  void look_at(const Walk& walk) {
    start_ = walk.inner;
    length_ = walk.inner_count;
    int64_t step = plan_.inner_tile;
    for (int a = last_; a >= 0; --a) {
      const Axis& along = work_.axis[a];
      const Cut& cut = plan_.cut[a];
      const int64_t edge = (plan_.first[a] + walk.tile[a] * cut.tile) * along.stride - along.before;
      begin_[a] = most(0, edge);
      skipped_[a] = begin_[a] - edge;  // cells of the first slots that lie in padding
      count_[a] = most(0, least(along.n, edge + cut.tile * along.stride) - begin_[a]);
      step_[a] = step;
      step *= count_[a];
      start_ += begin_[a] * along.x_step;
      if (a >= flat_) length_ *= count_[a];
    }
  }

  // Put the cells of all classes in their places. `sums` holds those of each combination of
  // classes, row-major, `apart` cells from one to the next. Goes through the tile in order.
  void place(const T* sums, int64_t apart, T* to) const { axis(0, 0, sums, apart, to, end(to)); }

  // Where to make the tile: the only one of an outer cell in dx itself.
  T* at(const Walk& walk) const {
    if constexpr (std::is_same_v<S, T>) {
      if (flat_ == 0 && plan_.cut[0].tiles == 1) return static_cast<T*>(work_.result) + walk.x;
    }
    return whole_;
  }

  // How far a tile that is made there may be written to: the scratch has room for vectors.
  const T* end(const T* tile) const {
    return tile + plan_.cells_in_all + (tile == whole_ ? 2 * kLanes<T> : 0);
  }

  // Write the tile to dx, at the outer cell `x`.
  void write(int64_t x) const { line(0, whole_, x + start_); }
  // Write `count` cells that lie in dx as one run.
  void write(int64_t x, int64_t count) const {
    emit(static_cast<S*>(work_.result) + x, whole_, count);
  }

  int64_t begin(int a) const { return begin_[a]; }
  int64_t count(int a) const { return count_[a]; }
  int64_t step(int a) const { return step_[a]; }

 private:
  NDPOOL_RECURSIVE void axis(int a, int64_t combination, const T* sums, int64_t apart, T* to,
                             const T* end) const {
    const int64_t stride = work_.axis[a].stride;
    if (a == last_) return row(sums + combination * stride * apart, apart, to, end);
    int64_t c = skipped_[a] % stride;
    sums += skipped_[a] / stride * plan_.cut[a].slot_step;
    const bool before_last = a + 1 == last_;
    const int64_t last_stride = work_.axis[last_].stride;
    for (int64_t i = 0; i < count_[a]; ++i, to += step_[a]) {
      if (before_last) {
        row(sums + (combination * stride + c) * last_stride * apart, apart, to, end);
      } else {
        axis(a + 1, combination * stride + c, sums, apart, to, end);
      }
      if (++c == stride) {
        c = 0;
        sums += plan_.cut[a].slot_step;
      }
    }
  }

  void row(const T* sums, int64_t apart, T* to, const T* end) const {
    const int64_t stride = work_.axis[last_].stride, inner = plan_.inner_tile;
    const int64_t count = count_[last_], skipped = skipped_[last_];
    if (stride == 1) {
      copy_run(to, sums + skipped * inner, count * inner);
    } else if (stride == 2 && inner == 1) {
      int64_t i = 0;
      const T* even = sums + skipped / 2;
      if (skipped % 2) {
        to[i++] = even[apart];
        ++even;
      }
      const bool over_the_end = end - (to + count) < 2 * kLanes<T>;
      T* pairs = over_the_end ? whole_ : to + i;
      interleave_run(pairs, even, even + apart, (count - i + 1) / 2);
      if (pairs != to + i) copy_run(to + i, pairs, count - i);
    } else {
      int64_t c = skipped % stride;
      sums += skipped / stride * inner;
      for (int64_t i = 0; i < count; ++i, to += inner) {
        for (int64_t k = 0; k < inner; ++k) to[k] = sums[c * apart + k];
        if (++c == stride) {
          c = 0;
          sums += inner;
        }
      }
    }
  }

  NDPOOL_RECURSIVE const T* line(int a, const T* from, int64_t x) const {
    if (a == flat_) {
      emit(static_cast<S*>(work_.result) + x, from, length_);
      return from + (a == work_.axes ? plan_.inner_tile : length_);
    }
    for (int64_t i = 0; i < count_[a]; ++i) from = line(a + 1, from, x + i * work_.axis[a].x_step);
    return from;
  }

  const Work& work_;
  const Backward& plan_;
  const int last_;
  T* const whole_;  // the tile, row-major
  int flat_;        // from this axis on, the tile lies in dx as one run
  int64_t start_ = 0, length_ = 0;
  int64_t begin_[kMostAxes], count_[kMostAxes], skipped_[kMostAxes], step_[kMostAxes];
};

// Add each dy to the cell of the tile that won its window, output by output.
//
// Neighbouring windows often have the same winner, and then each addition waits for the one
// before. So several outer cells go side by side: their additions do not meet.
template <class S, class T>
class Scatter {
 public:
  Scatter(const Work& work, const Backward& plan, const GradientWriter<S, T>& tile, char*& scratch)
      : work_(work),
        plan_(plan),
        tile_(tile),
        row_(carve<T>(scratch, plan.slots_in_all)),
        winners_(carve<uint32_t>(scratch, plan.slots_in_all)) {
    dense_ = plan.found_run > 0 && (work.inner == 1 || work.inner_y_step == 1);
    for (int a = 0; a < work.axes; ++a) dense_ &= work.axis[a].y_step == work.axis[a].winner_step;
    // outer cells that follow each other without a gap
    const Outer& outer = work.outer[work.outers > 0 ? work.outers - 1 : 0];
    together_ = dense_ && plan.together == kTogether && work.outers > 0 &&
                outer.y_step == plan.found_run && outer.x_step == plan.cells_in_all;
  }

  void look_at(const Walk&) {
    cells_ = plan_.inner_tile;
    for (int a = 0; a < work_.axes; ++a) cells_ *= tile_.count(a);
  }

  // The tile of one outer cell; `target` has the cells of the winners, if they were found.
  void add(const Walk& walk, const uint16_t* target, T* to) const {
    if (dense_) return add_all<1>(walk.y, target, to);
    fill(to, T{}, cells_);
    int64_t start[kMostAxes];
    axis(walk, 0, walk.y + walk.inner * work_.inner_y_step, walk.winners + walk.inner, start, to);
  }

  // Whether the next kTogether outer cells can go side by side.
  bool together(const Walk& walk) const { return together_ && walk.left(work_) >= kTogether; }

  // All of kCount outer cells that follow each other, dy from `y` on, into as many tiles.
  template <int kCount>
  void add_all(int64_t y, const uint16_t* target, T* to) const {
    const S* from = static_cast<const S*>(work_.source) + y;
    const int64_t count = plan_.found_run, cells = plan_.cells_in_all;
    fill(to, T{}, kCount * cells);
    constexpr int64_t kBlock = 64 / sizeof(S);
    const int64_t lines = ceil_div(cells * static_cast<int64_t>(sizeof(S)), 64);
    const int64_t per_block = ceil_div(lines, ceil_div(count, kBlock));
    for (int64_t i = 0, line = 0; i < count; i += kBlock, line += per_block) {
      for (int u = 0; u < kCount && kCount > 1; ++u) {
        // Additions alone would leave the memory idle: meanwhile it brings the next outer cells.
        prefetch<false>(address(from + u * count + i) + kCount * count * int64_t{sizeof(S)});
        for (int64_t l = line; l < line + per_block; ++l) {
          prefetch<true>(address(to + u * cells) + kCount * cells * int64_t{sizeof(T)} + l * 64);
        }
      }
      const int64_t end = least(count, i + kBlock);
      for (int64_t k = i; k < end; ++k) {
        const uint16_t* cell = target + k;
        const S* gradient = from + k;
        for (int u = 0; u < kCount; ++u) to[cell[u * count]] += widen(gradient[u * count]);
      }
    }
  }

 private:
  // Where there are several tiles: whatever lies in another one is left out.
  NDPOOL_RECURSIVE void axis(const Walk& walk, int a, int64_t y, int64_t winner, int64_t* start,
                             T* to) const {
    const Axis& along = work_.axis[a];
    // the windows that reach the tile
    const int64_t span = (along.kernel - 1) * along.dilation;
    const int64_t before = tile_.begin(a) + along.before - span;
    const int64_t lo = before > 0 ? ceil_div(before, along.stride) : 0;
    const int64_t end = tile_.begin(a) + tile_.count(a) + along.before;
    const int64_t hi = least(along.out, ceil_div(end, along.stride));
    for (int64_t o = lo; o < hi; ++o) {
      start[a] = o * along.stride - along.before - tile_.begin(a);
      const int64_t from = y + o * along.y_step, from_winner = winner + o * along.winner_step;
      if (a < work_.axes - 1) {
        axis(walk, a + 1, from, from_winner, start, to);
      } else if (by_rows(work_)) {  // as much of the row as there is room for
        const int64_t count = least(hi - o, plan_.slots_in_all);
        read(from, along.y_step, from_winner, count);
        for (int64_t i = 0; i < count; ++i, start[a] += along.stride) cell(start, i, 0, to);
        o += count - 1;
      } else {
        read(from, work_.inner_y_step, from_winner, walk.inner_count);
        for (int64_t i = 0; i < walk.inner_count; ++i) cell(start, i, i, to);
      }
    }
  }

  void read(int64_t from, int64_t step, int64_t from_winner, int64_t count) const {
    copy_strided(row_, static_cast<const S*>(work_.source) + from, step, count);
    const auto widen_from = [&](const auto* winners) {
      convert_run(winners_, winners + from_winner, count);
    };
    switch (work_.winner_bytes) {
      case 1: return widen_from(static_cast<const uint8_t*>(work_.winners));
      case 2: return widen_from(static_cast<const uint16_t*>(work_.winners));
      default: return widen_from(static_cast<const uint32_t*>(work_.winners));
    }
  }

  inline void cell(const int64_t* start, int64_t i, int64_t inner, T* to) const {
    int64_t place = inner;
    bool inside = true;
    for (int a = work_.axes - 1; a >= 0; --a) {
      const int64_t tap = tap_along(work_, plan_, a, winners_[i]);
      const int64_t at = start[a] + tap * work_.axis[a].dilation;
      inside &= at >= 0 && at < tile_.count(a);
      place += at * tile_.step(a);
    }
    if (inside) to[place] += row_[i];
  }

  const Work& work_;
  const Backward& plan_;
  const GradientWriter<S, T>& tile_;
  T* const row_;
  uint32_t* const winners_;
  bool dense_;     // dy lies as the winners do, whose cells were found
  bool together_;  // and so do several outer cells
  int64_t cells_ = 0;
};

template <class S, class T>
class Gather {
 public:
  Gather(const Work& work, const Backward& plan, const GradientWriter<S, T>& tile, char*& scratch)
      : work_(work),
        plan_(plan),
        tile_(tile),
        dy_(carve<T>(scratch, plan.slots_in_all)),
        winners_(carve<uint8_t>(scratch, plan.slots_in_all)),
        sums_(carve<T>(scratch, plan.slots_in_all * plan.combinations)),
        loader_(work, plan, dy_, winners_) {}

  void look_at(const Walk& walk) { loader_.look_at(walk); }

  void add(const Walk& walk, const uint16_t*, T* to) const {
    loader_.load(walk);
    for (int64_t i = 0; i < plan_.combinations; ++i) {
      gather(sums_ + i * plan_.slots_in_all, dy_, winners_, plan_.of_combination[i], plan_.run);
    }
    tile_.place(sums_, plan_.slots_in_all, to);
  }

 private:
  const Work& work_;
  const Backward& plan_;
  const GradientWriter<S, T>& tile_;
  T* const dy_;
  uint8_t* const winners_;
  T* const sums_;
  GradientLoader<S, T> loader_;
};

// Windows that cover the input side by side, two cells wide along the last axis: each dy goes to
// one cell of its window and zero to the others, with no sums.
// E: what the elements are, where T is only their bits.
template <class S, class T, class E = T>
class Spread {
 public:
  Spread(const Work& work, const Backward& plan, const GradientWriter<S, T>& tile, char*& scratch)
      : work_(work),
        plan_(plan),
        tile_(tile),
        last_(work.axes - 1),
        dy_(carve<T>(scratch, plan.slots_in_all)),
        winners_(carve<uint8_t>(scratch, plan.slots_in_all)),
        loader_(work, plan, dy_, winners_) {}

  void look_at(const Walk& walk) {
    loader_.look_at(walk);
    for (int a = 0; a <= last_; ++a) windows_[a] = tile_.count(a) / work_.axis[a].kernel;
  }

  void add(const Walk& walk, const uint16_t*, T* to) const {
    loader_.load(walk);
    rows(0, to, tile_.end(to), 0, 0);
  }

  // Where the rows of dy have no gaps, there is no need of a tile.
  bool straight() const {
    return std::is_same_v<S, T> && by_rows(work_) && work_.axis[last_].y_step == 1;
  }
  void add_straight(const Walk& walk) const {
    int64_t x = walk.x, y = walk.y, winner = walk.winners;
    for (int a = 0; a <= last_; ++a) {
      const Axis& along = work_.axis[a];
      const int64_t first = tile_.begin(a) / along.kernel;
      x += tile_.begin(a) * along.x_step;
      y += first * along.y_step;
      winner += first * along.winner_step;
    }
    straight_rows(0, x, y, winner, 0);
  }

 private:
  NDPOOL_RECURSIVE void straight_rows(int a, int64_t x, int64_t y, int64_t winner,
                                      int64_t tap) const {
    if (a == last_) return straight_row(x, y, winner, 2 * tap);
    const Axis& along = work_.axis[a];
    for (int64_t o = 0; o < windows_[a]; ++o, y += along.y_step, winner += along.winner_step) {
      for (int64_t i = 0; i < along.kernel; ++i, x += along.x_step) {
        const int64_t next_tap = tap * along.kernel + i;
        if (a + 1 == last_) {
          straight_row(x, y, winner, 2 * next_tap);
        } else {
          straight_rows(a + 1, x, y, winner, next_tap);
        }
      }
    }
  }

  void straight_row(int64_t x, int64_t y, int64_t winner, int64_t tap) const {
    if constexpr (std::is_same_v<S, T>) {
      constexpr int L = kLanes<T>;
      T* to = static_cast<T*>(work_.result) + x;
      const T* dy = static_cast<const T*>(work_.source) + y;
      const uint8_t* winners = static_cast<const uint8_t*>(work_.winners) + winner;
      const Vec<Winner<T>> wanted = pair_of(tap);
      const int64_t windows = windows_[last_];
      const auto block = [&](int64_t o) {
        const Vec<T> values = load(dy + o);
        const Vec<Winner<T>> from = widen_winners<T>(winners + o);
        store(to + 2 * o, as_sum<E, T>(from_pairs<T, 0>(values, from, wanted)));
        store(to + 2 * o + L, as_sum<E, T>(from_pairs<T, L / 2>(values, from, wanted)));
      };
      for (int64_t o = 0; o + L <= windows; o += L) block(o);
      if (windows % L == 0) return;
      if (windows >= L) return block(windows - L);
      const Vec<T> values = load_some<T, T>(dy, bits_between(0, windows), T{});
      const Vec<Winner<T>> from = widen_some<T>(winners, windows);
      store_some(to, as_sum<E, T>(from_pairs<T, 0>(values, from, wanted)),
                 bits_between(0, 2 * windows));
      store_some(to + L, as_sum<E, T>(from_pairs<T, L / 2>(values, from, wanted)),
                 bits_between(0, 2 * windows - L));
    }
  }

  // tap, tap + 1, tap, ...
  static inline Vec<Winner<T>> pair_of(int64_t tap) {
    struct Lanes {
      Winner<T> of[kLanes<T>];
      constexpr Lanes() : of() {
        for (int lane = 1; lane < kLanes<T>; lane += 2) of[lane] = 1;
      }
    };
    static constexpr Lanes second;
    return load(second.of) + broadcast(static_cast<Winner<T>>(tap));
  }

  // Along axis a, for the cells of a window whose offset begins with `tap`. In the tile's order:
  // what a row writes too much, the next one writes again.
  NDPOOL_RECURSIVE void rows(int a, T* to, const T* end, int64_t slot, int64_t tap) const {
    if (a == last_) return row(to, end, dy_ + slot, winners_ + slot, 2 * tap, windows_[a]);
    const int64_t kernel = work_.axis[a].kernel;
    for (int64_t o = 0; o < windows_[a]; ++o, slot += plan_.cut[a].slot_step) {
      for (int64_t i = 0; i < kernel; ++i, to += tile_.step(a)) {
        const int64_t next_tap = tap * kernel + i;
        if (a + 1 == last_) {  // not by another call of this function: rows can be short
          row(to, end, dy_ + slot, winners_ + slot, 2 * next_tap, windows_[last_]);
        } else {
          rows(a + 1, to, end, slot, next_tap);
        }
      }
    }
  }

  // to[2 * o + j] = dy[o] where tap + j won; writes up to two vectors more, but not over the end.
  static inline void row(T* to, const T* end, const T* dy, const uint8_t* winners, int64_t tap,
                         int64_t windows) {
    constexpr int L = kLanes<T>;
    const Vec<Winner<T>> wanted = pair_of(tap);
    for (int64_t o = 0; o < windows; o += L) {
      const Vec<T> values = load(dy + o);
      const Vec<Winner<T>> from = widen_winners<T>(winners + o);
      T last[2 * L];
      T* pairs = end - (to + 2 * o) < 2 * L ? last : to + 2 * o;
      store(pairs, as_sum<E, T>(from_pairs<T, 0>(values, from, wanted)));
      store(pairs + L, as_sum<E, T>(from_pairs<T, L / 2>(values, from, wanted)));
      if (pairs != last) continue;
      for (int64_t i = 0; i < least(2 * L, 2 * (windows - o)); ++i) to[2 * o + i] = last[i];
    }
  }

  const Work& work_;
  const Backward& plan_;
  const GradientWriter<S, T>& tile_;
  const int last_;
  T* const dy_;
  uint8_t* const winners_;
  int64_t windows_[kMostAxes];
  GradientLoader<S, T> loader_;
};

// `Way` is Gather, Spread or Scatter.
template <class S, class T, class Way>
int64_t backward_by(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                    int64_t end) {
  char* free = static_cast<char*>(scratch);
  T* whole = carve<T>(free, plan.together * plan.cells_in_all);
  auto* target = carve<uint16_t>(free, plan.together * plan.found_run);
  WinnerCheck check(work, plan);
  GradientWriter<S, T> tile(work, plan, whole);
  Way way(work, plan, tile, free);
  Walk walk(work, plan, begin);
  Ahead<false> next_dy;
  Ahead<true> next_dx;
  int64_t seen = -1;
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) {
    if (walk.number != seen) {
      check.look_at(walk);
      tile.look_at(walk);
      way.look_at(walk);
      seen = walk.number;
    }
    if constexpr (std::is_same_v<Way, Scatter<S, T>>) {
      while (end - item >= kTogether && way.together(walk)) {
        const int64_t x = walk.x, y = walk.y;
        T* to = tile.at(walk);
        for (int u = 0; u < kTogether; ++u, ++item, walk.next(work, plan)) {
          const auto shift = static_cast<uint16_t>(u * plan.cells_in_all);
          if (const int64_t bad = check(walk, target + u * plan.found_run, shift)) return bad;
        }
        way.template add_all<kTogether>(y, target, to);
        if (to == whole) tile.write(x, kTogether * plan.cells_in_all);
      }
      if (item == end) break;
    }
    if (const int64_t bad = check(walk, target, 0)) return bad;
    next_dy.look(static_cast<const S*>(work.source) + walk.y);
    next_dx.look(static_cast<const S*>(work.result) + walk.x);
    if constexpr (requires { way.add_straight(walk); }) {
      if (way.straight()) {
        way.add_straight(walk);
        continue;
      }
    }
    T* to = tile.at(walk);
    way.add(walk, target, to);
    if (to == whole) tile.write(walk.x);
  }
  return 0;
}

template <class S, class T>
constexpr auto gathering = backward_by<S, T, Gather<S, T>>;
template <class S, class T>
constexpr auto spreading = backward_by<S, T, Spread<S, T>>;
template <class E>
constexpr auto spreading_halves = backward_by<uint16_t, uint16_t, Spread<uint16_t, uint16_t, E>>;
template <class S, class T>
constexpr auto scattering = backward_by<S, T, Scatter<S, T>>;

}  // namespace

extern const Kernels NDPOOL_ISA;
const Kernels NDPOOL_ISA = {
#if defined(NDPOOL_AVX512)
    "AVX-512",
#elif defined(__AVX2__)
    "AVX2",
#elif defined(__x86_64__)
    "SSE2",
#elif defined(__aarch64__)
    "NEON",
#else
    "baseline",
#endif
    kVectorBytes,
    find_cells,
    // forward: bool, int8, uint8, ... in the order of Kind; then wide
    {forward<uint8_t, uint8_t>, forward<int8_t, int8_t>, forward<uint8_t, uint8_t>,
     forward<int16_t, int16_t>, forward<uint16_t, uint16_t>, forward<int32_t, int32_t>,
     forward<uint32_t, uint32_t>, forward<int64_t, int64_t>, forward<uint64_t, uint64_t>,
     forward_halves<Half>, forward_halves<Brain>, forward<float, float>, forward<double, double>},
    {forward<uint8_t, int32_t>, forward<int8_t, int32_t>, forward<uint8_t, int32_t>,
     forward<int16_t, int32_t>, forward<uint16_t, int32_t>},
#if defined(NDPOOL_AVX512)
    {stretches<uint8_t>, stretches<int8_t>, stretches<uint8_t>, stretches<int16_t>,
     stretches<uint16_t>, stretches<int32_t>, stretches<uint32_t>, stretches<int64_t>,
     stretches<uint64_t>, nullptr, nullptr, stretches<float>, stretches<double>},
    {across<uint8_t, uint8_t>, across<int8_t, int8_t>, across<uint8_t, uint8_t>,
     across<int16_t, int16_t>, across<uint16_t, uint16_t>, across<int32_t, int32_t>,
     across<uint32_t, uint32_t>, across<int64_t, int64_t>, across<uint64_t, uint64_t>,
     across<Half, int16_t>, across<Brain, int16_t>, across<float, float>, across<double, double>},
    {direct<uint8_t, uint8_t>, direct<int8_t, int8_t>, direct<uint8_t, uint8_t>,
     direct<int16_t, int16_t>, direct<uint16_t, uint16_t>, direct<int32_t, int32_t>,
     direct<uint32_t, uint32_t>, direct<int64_t, int64_t>, direct<uint64_t, uint64_t>,
     direct_halves<Half>, direct_halves<Brain>, direct<float, float>, direct<double, double>},
#else
    {},
    {},
    {},
#endif
// backward: sums of integers are the same for signed and unsigned; bool has none
#if defined(NDPOOL_AVX512)
    {nullptr, in_pieces<uint8_t, uint8_t>, in_pieces<uint8_t, uint8_t>,
     in_pieces<uint16_t, uint16_t>, in_pieces<uint16_t, uint16_t>, in_pieces<uint32_t, uint32_t>,
     in_pieces<uint32_t, uint32_t>, in_pieces<uint64_t, uint64_t>, in_pieces<uint64_t, uint64_t>,
     in_pieces<Half, uint16_t>, in_pieces<Brain, uint16_t>, in_pieces<float, float>,
     in_pieces<double, double>},
    {nullptr, gather_across<uint8_t, uint8_t>, gather_across<uint8_t, uint8_t>,
     gather_across<uint16_t, uint16_t>, gather_across<uint16_t, uint16_t>,
     gather_across<uint32_t, uint32_t>, gather_across<uint32_t, uint32_t>,
     gather_across<uint64_t, uint64_t>, gather_across<uint64_t, uint64_t>,
     gather_across<Half, float>, gather_across<Brain, float>, gather_across<float, float>,
     gather_across<double, double>},
#else
    {},
    {},
#endif
    {nullptr, line_gather<uint8_t, uint8_t>, line_gather<uint8_t, uint8_t>,
     line_gather<uint16_t, uint16_t>, line_gather<uint16_t, uint16_t>,
     line_gather<uint32_t, uint32_t>, line_gather<uint32_t, uint32_t>,
     line_gather<uint64_t, uint64_t>, line_gather<uint64_t, uint64_t>, line_gather<Half, float>,
     line_gather<Brain, float>, line_gather<float, float>, line_gather<double, double>},
    {nullptr, gathering<uint8_t, uint8_t>, gathering<uint8_t, uint8_t>,
     gathering<uint16_t, uint16_t>, gathering<uint16_t, uint16_t>, gathering<uint32_t, uint32_t>,
     gathering<uint32_t, uint32_t>, gathering<uint64_t, uint64_t>, gathering<uint64_t, uint64_t>,
     gathering<Half, float>, gathering<Brain, float>, gathering<float, float>,
     gathering<double, double>},
    {nullptr, spreading<uint8_t, uint8_t>, spreading<uint8_t, uint8_t>,
     spreading<uint16_t, uint16_t>, spreading<uint16_t, uint16_t>, spreading<uint32_t, uint32_t>,
     spreading<uint32_t, uint32_t>, spreading<uint64_t, uint64_t>, spreading<uint64_t, uint64_t>,
     spreading_halves<Half>, spreading_halves<Brain>, spreading<float, float>,
     spreading<double, double>},
#if defined(NDPOOL_BASELINE)
    // scatter: one by one, so wider vectors would gain nothing; winners of any width do
    {nullptr, scattering<uint8_t, uint8_t>, scattering<uint8_t, uint8_t>,
     scattering<uint16_t, uint16_t>, scattering<uint16_t, uint16_t>, scattering<uint32_t, uint32_t>,
     scattering<uint32_t, uint32_t>, scattering<uint64_t, uint64_t>, scattering<uint64_t, uint64_t>,
     scattering<Half, float>, scattering<Brain, float>, scattering<float, float>,
     scattering<double, double>},
#else
    {},
#endif
};

}  // namespace ndpool
