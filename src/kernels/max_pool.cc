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

#include "tiles.h"

#ifndef NDPOOL_ISA
#error "NDPOOL_ISA names the instruction set, as in kernels_avx2"
#endif

namespace ndpool {
namespace {

// to[i] = the best of from[i + offset[t]] over the taps t; what is in the winners moves along.
// Writes up to a vector more than `run` cells.
template <class T, bool kWinners, bool kHaveWinners, int kUnroll>
inline void fold_block(T* to, Winner<T>* to_winner, const T* from, const Winner<T>* from_winner,
                       const Pass& pass) {
  constexpr int L = kLanes<T>;
  Vec<T> best[kUnroll];
  Vec<Winner<T>> winner[kUnroll];
  const int64_t start = pass.offset[0];
  for (int u = 0; u < kUnroll; ++u) best[u] = load(from + start + u * L);
  if constexpr (kWinners) {
    const auto add = broadcast(static_cast<Winner<T>>(pass.add[0]));
    for (int u = 0; u < kUnroll; ++u) {
      winner[u] = add;
      if constexpr (kHaveWinners) winner[u] += load(from_winner + start + u * L);
    }
  }
  for (int64_t t = 1; t < pass.taps; ++t) {
    const int64_t offset = pass.offset[t];
    Vec<Winner<T>> add{};
    if constexpr (kWinners) add = broadcast(static_cast<Winner<T>>(pass.add[t]));
    for (int u = 0; u < kUnroll; ++u) {
      const Vec<T> next = load(from + offset + u * L);
      const auto wins = beats<T>(next, best[u]);
      best[u] = pick(wins, next, best[u]);
      if constexpr (kHaveWinners) {
        winner[u] = pick(wins, load(from_winner + offset + u * L) + add, winner[u]);
      } else if constexpr (kWinners) {
        winner[u] = pick(wins, add, winner[u]);
      }
    }
  }
  for (int u = 0; u < kUnroll; ++u) {
    store(to + u * L, best[u]);
    if constexpr (kWinners) store(to_winner + u * L, winner[u]);
  }
}

template <class P>
inline P* shifted(P* pointer, int64_t by) {
  return pointer ? pointer + by : nullptr;
}

template <class T, bool kWinners, bool kHaveWinners>
void fold(T* to, Winner<T>* to_winner, const T* from, const Winner<T>* from_winner,
          const Pass& pass, int64_t run) {
  constexpr int L = kLanes<T>;
  constexpr int kUnroll = 4;
  int64_t i = 0;
  for (; i + kUnroll * L <= run; i += kUnroll * L) {
    fold_block<T, kWinners, kHaveWinners, kUnroll>(
        to + i, shifted(to_winner, i), from + i, shifted(from_winner, i), pass);
  }
  for (; i < run; i += L) {
    fold_block<T, kWinners, kHaveWinners, 1>(to + i, shifted(to_winner, i), from + i,
                                             shifted(from_winner, i), pass);
  }
}

template <class T>
void fold(bool winners, bool have, T* to, Winner<T>* to_winner, const T* from,
          const Winner<T>* from_winner, const Pass& pass, int64_t run) {
  if (!winners) {
    fold<T, false, false>(to, to_winner, from, from_winner, pass, run);
  } else if (have) {
    fold<T, true, true>(to, to_winner, from, from_winner, pass, run);
  } else {
    fold<T, true, false>(to, to_winner, from, from_winner, pass, run);
  }
}

// The last pass over a tile, straight into the user's arrays.
template <class S, class T>
struct LastPass {
  const Work& work;
  const Forward& plan;
  const Place& place;
  const T* from;
  const Winner<T>* from_winner;  // null before the first pass
  T* values;                     // a chunk of them
  Winner<T>* winners;
  Winner<T>* table;              // of the tile: what wins where all is as low as padding
  int64_t* table_of;             // the number of the tile that the table is of

  void operator()() const {
    line(0, 0, 0, place.y + place.inner, place.winners + place.inner);
  }

 private:
  int64_t begin(int a) const { return place.tile[a] * plan.cut[a].tile; }
  int64_t count(int a) const { return least(plan.cut[a].tile, work.axis[a].out - begin(a)); }

  // Outputs from axis `a` on lie side by side, in the tile and in the result alike.
  bool flat_from(int a) const {
    int64_t length = work.inner;
    if (plan.inner_tiles > 1) return false;
    for (int i = work.axes - 1; i > a; --i) {
      if (plan.cut[i].tiles > 1) return false;
      if (work.axis[i].y_step != length || plan.last_step[i] != length) return false;
      length *= work.axis[i].out;
    }
    return work.axis[a].y_step == length && plan.last_step[a] == length;
  }

  void line(int a, int64_t at, int64_t number, int64_t y, int64_t winner) const {
    int64_t length = place.inner_count;
    if (a < work.axes && flat_from(a)) {
      for (int i = a; i < work.axes; ++i) length *= count(i);
      y += begin_of_rest(a);
      winner += begin_of_rest(a);
      return cells(at, number, y, winner, length);
    }
    if (a == work.axes) return cells(at, number, y, winner, length);
    const Axis& along = work.axis[a];
    y += begin(a) * along.y_step;
    winner += begin(a) * along.winner_step;
    int64_t per = plan.inner_tile;
    for (int i = a + 1; i < work.axes; ++i) per *= plan.cut[i].tile;
    for (int64_t o = 0; o < count(a); ++o) {
      line(a + 1, at + o * plan.last_step[a], number + o * per, y + o * along.y_step,
           winner + o * along.winner_step);
    }
  }

  int64_t begin_of_rest(int a) const {
    int64_t total = 0;
    for (int i = a; i < work.axes; ++i) total += begin(i) * work.axis[i].y_step;
    return total;
  }

  void cells(int64_t at, int64_t number, int64_t y, int64_t winner, int64_t length) const {
    S* to = static_cast<S*>(work.result) + y;
    const Pass& pass = plan.pass[plan.passes - 1];
    for (int64_t i = 0; i < length; i += kChunk) {
      const int64_t n = least(kChunk, length - i);
      fold<T>(work.winners, from_winner, values, winners, from + at + i,
              shifted(from_winner, at + i), pass, n);
      emit(to + i, values, n, work.stream);
      if (!work.winners) continue;
      if (work.padded) settle(number + i, n);
      switch (work.winner_bytes) {
        case 1: write_winners<uint8_t>(winner + i, n); break;
        case 2: write_winners<uint16_t>(winner + i, n); break;
        case 4: write_winners<uint32_t>(winner + i, n); break;
        default: write_winners<uint64_t>(winner + i, n);
      }
    }
  }

  template <class W>
  void write_winners(int64_t at, int64_t n) const {
    W* to = static_cast<W*>(work.winners) + at;
    if (!work.stream || sizeof(W) == sizeof(Winner<T>)) return emit(to, winners, n, work.stream);
    W* narrowed = reinterpret_cast<W*>(values);  // done with: the values were written before
    emit(narrowed, winners, n, false);
    emit(to, narrowed, n, true);
  }

  // Padding is filled with the lowest value. Where the best is no higher, all cells of the window
  // are equal, and the first of those that are no padding has won.
  void settle(int64_t number, int64_t n) const {
    const T low = lowest<S, T>();
    bool any = false;
    for (int64_t i = 0; i < n; ++i) any |= values[i] == low;
    if (!any) return;
    if (*table_of != place.number) {
      *table_of = place.number;
      write_table(0, 0, 0);
    }
    for (int64_t i = 0; i < n; ++i) {
      winners[i] = values[i] == low ? table[number + i] : winners[i];
    }
  }

  int64_t write_table(int a, int64_t number, int64_t first_inside) const {
    if (a == work.axes) {
      fill(table + number, static_cast<Winner<T>>(first_inside), plan.inner_tile);
      return number + plan.inner_tile;
    }
    const Axis& along = work.axis[a];
    for (int64_t o = 0; o < plan.cut[a].tile; ++o) {
      const int64_t start = (begin(a) + o) * along.stride - along.before;
      const int64_t tap = start < 0 ? ceil_div(-start, along.dilation) : 0;
      number = write_table(a + 1, number, first_inside * along.kernel + tap);
    }
    return number;
  }
};

template <class S, class T>
int64_t forward(const Work& work, const Forward& plan, void* scratch, int64_t begin, int64_t end) {
  char* free = static_cast<char*>(scratch);
  T* values[2] = {carve<T>(free, plan.buffer), carve<T>(free, plan.buffer)};
  Winner<T>* winners[2] = {nullptr, nullptr};
  if (work.winners) {
    for (auto& buffer : winners) buffer = carve<Winner<T>>(free, plan.buffer);
  }
  T* chunk = carve<T>(free, least(kChunk, plan.tile_out));
  Winner<T>* winner_chunk = carve<Winner<T>>(free, least(kChunk, plan.tile_out));
  Winner<T>* table = carve<Winner<T>>(free, work.padded ? plan.tile_out : 0);
  int64_t table_of = -1;

  for (int64_t item = begin; item < end; ++item) {
    const Place place = place_of(work, plan, item);
    int now = 0;
    TileLoader<S, T>{work, plan, place, lowest<S, T>()}(values[now]);
    for (int p = 0; p < plan.passes - 1; ++p, now ^= 1) {
      const Pass& pass = plan.pass[p];
      for (int64_t row = 0; row < pass.rows; ++row) {
        const int64_t to = row * pass.to_pitch, from = row * pass.from_pitch;
        fold<T>(work.winners, p > 0, values[now ^ 1] + to, shifted(winners[now ^ 1], to),
                values[now] + from, shifted(winners[now], from), pass, pass.run);
      }
    }
    LastPass<S, T>{work,  plan,         place, values[now], plan.passes > 1 ? winners[now] : nullptr,
                   chunk, winner_chunk, table, &table_of}();
  }
#if defined(__x86_64__)
  if (work.stream) _mm_sfence();
#endif
  return 0;
}

// ---- backward ----

// Is the winner a cell of its window inside the input? Checked over the outputs of one tile.
template <class W>
struct WinnerCheck {
  const Work& work;
  const Backward& plan;
  const Place& place;
  mutable int64_t outputs[kMostAxes] = {};  // the window that is looked at

  // 0, or 1 + the place in the winners of the first that is not.
  int64_t operator()() const { return axis(0, place.winners + place.inner, false); }

 private:
  int64_t begin(int a) const {
    if (place.tile[a] == 0) return 0;
    return least(work.axis[a].out, plan.first[a] + place.tile[a] * plan.cut[a].tile);
  }
  int64_t end(int a) const {
    if (place.tile[a] == plan.cut[a].tiles - 1) return work.axis[a].out;
    return least(work.axis[a].out, plan.first[a] + (place.tile[a] + 1) * plan.cut[a].tile);
  }
  // Does window `o` reach out of the input along axis a?
  bool on_border(int a, int64_t o) const {
    const Axis& along = work.axis[a];
    const int64_t start = o * along.stride - along.before;
    return start < 0 || start + (along.kernel - 1) * along.dilation >= along.n;
  }

  int64_t axis(int a, int64_t at, bool border) const {
    const Axis& along = work.axis[a];
    if (a == work.axes - 1) return row(at, border);
    for (int64_t o = begin(a); o < end(a); ++o) {
      outputs[a] = o;
      const int64_t bad =
          axis(a + 1, at + o * along.winner_step, border || on_border(a, o));
      if (bad) return bad;
    }
    return 0;
  }

  int64_t row(int64_t at, bool border) const {
    const int a = work.axes - 1;
    const Axis& along = work.axis[a];
    const W* winners = static_cast<const W*>(work.winners) + at;
    const int64_t lo = begin(a), hi = end(a);
    bool any = false;
    if (plan.inner_tiles == 1 && along.winner_step == work.inner) {  // the row is one run
      const auto cells = static_cast<uint64_t>(work.cells);
      for (int64_t i = lo * work.inner; i < hi * work.inner; ++i) any |= winners[i] >= cells;
    } else {
      any = true;
    }
    int64_t left = lo, right = hi;  // outputs between them are inside along this axis
    if (!border && !any) {
      while (left < hi && on_border(a, left)) ++left;
      while (right > left && on_border(a, right - 1)) --right;
    } else {
      left = hi;
    }
    for (int64_t o = lo; o < hi; ++o) {
      if (o == left) o = right;
      if (o >= hi) break;
      outputs[a] = o;
      for (int64_t c = 0; c < place.inner_count; ++c) {
        const int64_t i = o * along.winner_step + c;
        if (!inside(static_cast<uint64_t>(winners[i]))) return 1 + at + i;
      }
    }
    return 0;
  }

  bool inside(uint64_t winner) const {
    if (winner >= static_cast<uint64_t>(work.cells)) return false;
    for (int a = work.axes - 1; a >= 0; --a) {
      const Axis& along = work.axis[a];
      int64_t tap;
      if (plan.tap_of[a]) {
        tap = plan.tap_of[a][winner];
      } else {
        uint64_t rest = winner;
        for (int i = work.axes - 1; i > a; --i) rest /= static_cast<uint64_t>(work.axis[i].kernel);
        tap = static_cast<int64_t>(rest % static_cast<uint64_t>(along.kernel));
      }
      const int64_t cell = outputs[a] * along.stride - along.before + tap * along.dilation;
      if (cell < 0 || cell >= along.n) return false;
    }
    return true;
  }
};

// dy and the winners of a tile, with zero gradient outside the output.
template <class S, class T, class W>
struct GradientLoader {
  const Work& work;
  const Backward& plan;
  const Place& place;

  void operator()(T* dy, Winner<T>* winners) const {
    axis(0, static_cast<const S*>(work.source) + place.y + place.inner * work.inner_y_step,
         static_cast<const W*>(work.winners) + place.winners + place.inner, dy, winners);
  }

 private:
  void axis(int a, const S* from, const W* from_winner, T* dy, Winner<T>* winners) const {
    const Cut& cut = plan.cut[a];
    const Axis& along = work.axis[a];
    const int64_t first = plan.first[a] + place.tile[a] * cut.tile - plan.halo[a];
    const int64_t lo = least(cut.slots, most(0, -first));
    const int64_t hi = most(lo, least(cut.slots, along.out - first));
    zero(dy, winners, lo * cut.slot_step);
    zero(dy + hi * cut.slot_step, winners + hi * cut.slot_step,
         (cut.slots - hi) * cut.slot_step);
    from += (first + lo) * along.y_step;
    from_winner += (first + lo) * along.winner_step;
    dy += lo * cut.slot_step;
    winners += lo * cut.slot_step;
    if (a == work.axes - 1) return row(from, from_winner, dy, winners, hi - lo);
    for (int64_t o = lo; o < hi; ++o) {
      axis(a + 1, from, from_winner, dy, winners);
      from += along.y_step;
      from_winner += along.winner_step;
      dy += cut.slot_step;
      winners += cut.slot_step;
    }
  }

  void zero(T* dy, Winner<T>* winners, int64_t count) const {
    fill(dy, T{}, count);
    fill(winners, Winner<T>{}, count);
  }

  void row(const S* from, const W* from_winner, T* dy, Winner<T>* winners, int64_t count) const {
    const Axis& along = work.axis[work.axes - 1];
    const int64_t inner = plan.inner_tile;
    if (work.inner == 1) {
      copy_strided(dy, from, along.y_step, count);
      return copy_winners(winners, from_winner, count);
    }
    for (int64_t i = 0; i < count; ++i, dy += inner, winners += inner) {
      copy_strided(dy, from + i * along.y_step, work.inner_y_step, place.inner_count);
      copy_winners(winners, from_winner + i * along.winner_step, place.inner_count);
    }
  }

  void copy_winners(Winner<T>* to, const W* from, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<Winner<T>>(from[i]);
  }
};

// to[i] = the sum of dy[i + offset[t]] over the taps t whose winner is the tap itself.
template <class T>
void gather(T* to, const T* dy, const Winner<T>* winners, const Taps& taps, int64_t run) {
  constexpr int L = kLanes<T>;
  constexpr int kUnroll = 4;
  const auto block = [&](int64_t i, auto unroll) {
    Vec<T> sum[unroll()] = {};
    for (int64_t t = 0; t < taps.taps; ++t) {
      const int64_t at = i + taps.offset[t];
      const auto tap = broadcast(static_cast<Winner<T>>(taps.winner[t]));
      for (int u = 0; u < unroll(); ++u) {
        const auto won = load(winners + at + u * L) == tap;
        sum[u] += won ? load(dy + at + u * L) : Vec<T>{};
      }
    }
    for (int u = 0; u < unroll(); ++u) store(to + i + u * L, sum[u]);
  };
  int64_t i = 0;
  for (; i + kUnroll * L <= run; i += kUnroll * L) {
    block(i, std::integral_constant<int, kUnroll>{});
  }
  for (; i < run; i += L) block(i, std::integral_constant<int, 1>{});
}

// From the sums of each class of cells to dx.
template <class S, class T>
struct GradientWriter {
  const Work& work;
  const Backward& plan;
  const Place& place;
  T* whole;  // the tile of dx, row-major

  // Cells of the tile along axis a, clipped to the input: [begin, begin + count).
  int64_t begin(int a) const {
    const Axis& along = work.axis[a];
    return most(0, (plan.first[a] + place.tile[a] * plan.cut[a].tile) * along.stride - along.before);
  }
  int64_t count(int a) const {
    const Axis& along = work.axis[a];
    const int64_t end =
        (plan.first[a] + (place.tile[a] + 1) * plan.cut[a].tile) * along.stride - along.before;
    return most(0, least(along.n, end) - begin(a));
  }

  // Put the sums of one combination of classes in their places in the tile.
  void place_class(int a, const int64_t* classes, const T* sums, T* to) const {
    if (a == work.axes) {
      for (int64_t c = 0; c < plan.inner_tile; ++c) to[c] = sums[c];
      return;
    }
    const Axis& along = work.axis[a];
    const Cut& cut = plan.cut[a];
    int64_t step = plan.inner_tile;
    for (int i = a + 1; i < work.axes; ++i) step *= count(i);
    const int64_t base =
        (plan.first[a] + place.tile[a] * cut.tile) * along.stride + classes[a] - along.before;
    const int64_t lo = base < begin(a) ? ceil_div(begin(a) - base, along.stride) : 0;
    const int64_t reach = begin(a) + count(a) - base;
    const int64_t hi = reach > 0 ? least(cut.tile, ceil_div(reach, along.stride)) : 0;
    to += (base + lo * along.stride - begin(a)) * step;
    sums += lo * cut.slot_step;
    if (a == work.axes - 1 && plan.inner_tile == 1) return spread(to, sums, hi - lo);
    for (int64_t q = lo; q < hi; ++q, to += along.stride * step, sums += cut.slot_step) {
      place_class(a + 1, classes, sums, to);
    }
  }

  void write() const { line(0, whole, place.x + place.inner); }

 private:
  void spread(T* to, const T* from, int64_t cells) const {
    const int64_t stride = work.axis[work.axes - 1].stride;
    if (stride == 1) {
      for (int64_t i = 0; i < cells; ++i) to[i] = from[i];
    } else {
      for (int64_t i = 0; i < cells; ++i) to[i * stride] = from[i];
    }
  }

  bool flat_from(int a) const {
    int64_t length = work.inner;
    if (plan.inner_tiles > 1) return false;
    for (int i = work.axes - 1; i > a; --i) {
      if (plan.cut[i].tiles > 1 || work.axis[i].x_step != length) return false;
      length *= work.axis[i].n;
    }
    return work.axis[a].x_step == length;
  }

  const T* line(int a, const T* from, int64_t x) const {
    int64_t length = place.inner_count;
    if (a < work.axes && flat_from(a)) {
      for (int i = a; i < work.axes; ++i) {
        length *= count(i);
        x += begin(i) * work.axis[i].x_step;
      }
      emit(static_cast<S*>(work.result) + x, from, length, work.stream);
      return from + length;
    }
    if (a == work.axes) {
      emit(static_cast<S*>(work.result) + x, from, length, work.stream);
      return from + plan.inner_tile;
    }
    x += begin(a) * work.axis[a].x_step;
    for (int64_t i = 0; i < count(a); ++i, x += work.axis[a].x_step) from = line(a + 1, from, x);
    return from;
  }
};

template <class S, class T, class W>
int64_t backward_of(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                    int64_t end) {
  char* free = static_cast<char*>(scratch);
  T* dy = carve<T>(free, plan.slots_in_all);
  auto* winners = carve<Winner<T>>(free, plan.slots_in_all);
  T* sums = carve<T>(free, plan.slots_in_all);
  T* whole = carve<T>(free, plan.cells_in_all);
  for (int64_t item = begin; item < end; ++item) {
    const Place place = place_of(work, plan, item);
    const int64_t bad = WinnerCheck<W>{work, plan, place}();
    if (bad) return bad;
    GradientLoader<S, T, W>{work, plan, place}(dy, winners);
    const GradientWriter<S, T> writer{work, plan, place, whole};
    int64_t classes[kMostAxes] = {};
    for (int64_t i = 0; i < plan.combinations; ++i) {
      gather(sums, dy, winners, plan.of_combination[i], plan.run);
      writer.place_class(0, classes, sums, whole);
      for (int a = work.axes - 1; a >= 0 && ++classes[a] == work.axis[a].stride; --a) {
        classes[a] = 0;
      }
    }
    writer.write();
  }
#if defined(__x86_64__)
  if (work.stream) _mm_sfence();
#endif
  return 0;
}

template <class S, class T>
int64_t backward(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                 int64_t end) {
  switch (work.winner_bytes) {
    case 1: return backward_of<S, T, uint8_t>(work, plan, scratch, begin, end);
    case 2: return backward_of<S, T, uint16_t>(work, plan, scratch, begin, end);
    case 4: return backward_of<S, T, uint32_t>(work, plan, scratch, begin, end);
    default: return backward_of<S, T, uint64_t>(work, plan, scratch, begin, end);
  }
}

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
    {forward<uint8_t, uint8_t>, forward<int8_t, int8_t>, forward<uint8_t, uint8_t>,
     forward<int16_t, int16_t>, forward<uint16_t, uint16_t>, forward<int32_t, int32_t>,
     forward<uint32_t, uint32_t>, forward<int64_t, int64_t>, forward<uint64_t, uint64_t>,
     forward<Half, float>, forward<Brain, float>, forward<float, float>, forward<double, double>},
    {forward<uint8_t, int32_t>, forward<int8_t, int32_t>, forward<uint8_t, int32_t>,
     forward<int16_t, int32_t>, forward<uint16_t, int32_t>},
    {nullptr, backward<uint8_t, uint8_t>, backward<uint8_t, uint8_t>, backward<uint16_t, uint16_t>,
     backward<uint16_t, uint16_t>, backward<uint32_t, uint32_t>, backward<uint32_t, uint32_t>,
     backward<uint64_t, uint64_t>, backward<uint64_t, uint64_t>, backward<Half, float>,
     backward<Brain, float>, backward<float, float>, backward<double, double>},
    {nullptr, backward<uint8_t, uint32_t>, backward<uint8_t, uint32_t>,
     backward<uint16_t, uint32_t>, backward<uint16_t, uint32_t>},
};

}  // namespace ndpool
