// Many small outer cells, whatever their windows: each becomes a lane. As many of them as a vector
// has lanes are transposed, so that what were cells of a row are vectors that follow each other;
// these are folded axis by axis, the last one first, and the outputs transposed back. No lane is
// idle, wherever rows and planes end, and none has to be moved from place to place.
#pragma once

#include "direct.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

#if defined(NDPOOL_AVX512)
// Parts of 16 bytes: part i of vector k becomes part k of vector i.
template <class V>
inline void transpose_parts(V& a, V& b, V& c, V& d) {
  const auto w = (__m512i)a, x = (__m512i)b, y = (__m512i)c, z = (__m512i)d;
  const __m512i first = _mm512_shuffle_i32x4(w, x, 0x88), second = _mm512_shuffle_i32x4(y, z, 0x88);
  const __m512i third = _mm512_shuffle_i32x4(w, x, 0xdd), fourth = _mm512_shuffle_i32x4(y, z, 0xdd);
  a = (V)_mm512_shuffle_i32x4(first, second, 0x88);
  b = (V)_mm512_shuffle_i32x4(third, fourth, 0x88);
  c = (V)_mm512_shuffle_i32x4(first, second, 0xdd);
  d = (V)_mm512_shuffle_i32x4(third, fourth, 0xdd);
}
#endif

// Lane i of vector k becomes lane k of vector i.
template <class T>
inline void transpose(Vec<T> (&rows)[kLanes<T>]) {
  constexpr int L = kLanes<T>, kFew = 16 / static_cast<int>(sizeof(T));
  constexpr std::make_integer_sequence<int, L> lanes{};
#pragma GCC unroll 4
  for (int group = 0; group < L; group += kFew) {
    Vec<T> mixed[kFew];
#pragma GCC unroll 4
    for (int step = 1; step < kFew; step *= 2) {  // each doubles the lanes that are together
#pragma GCC unroll 8
      for (int i = 0; i < kFew / 2; ++i) {
        const Vec<T> a = rows[group + i], b = rows[group + i + kFew / 2];
        mixed[2 * i] = zipped_lanes<T, 0>(a, b, lanes);
        mixed[2 * i + 1] = zipped_lanes<T, 1>(a, b, lanes);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kFew; ++i) rows[group + i] = mixed[i];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kFew; ++i) {
#if defined(NDPOOL_AVX512)
    transpose_parts(rows[i], rows[i + kFew], rows[i + 2 * kFew], rows[i + 3 * kFew]);
#else
    const auto a = (__m256i)rows[i], b = (__m256i)rows[i + kFew];
    rows[i] = (Vec<T>)_mm256_permute2x128_si256(a, b, 0x20);
    rows[i + kFew] = (Vec<T>)_mm256_permute2x128_si256(a, b, 0x31);
#endif
  }
}

// Where an outer cell begins.
template <class S>
struct OuterCell {
  const S* x;
  S* y;
  uint8_t* winners;
};

template <class S, class T>
class Transposed {
 public:
  static constexpr int64_t L = kLanes<T>;

  Transposed(const Work& work, const Forward& plan, char*& scratch)
      : work_(work),
        plan_(plan),
        first_(work.axis[0]),
        values_{carve<T>(scratch, plan.tile_cells * L), carve<T>(scratch, plan.buffer * L),
                carve<T>(scratch, plan.buffer * L)},
        numbers_{nullptr, carve<Number>(scratch, plan.buffer * L),
                 carve<Number>(scratch, plan.buffer * L)} {
    for (int a = 1; a < work.axes; ++a) row_ *= work.axis[a].n;
    for (int a = 1; a < work.axes; ++a) row_outputs_ *= work.axis[a].out;
  }

  // So many outer cells, as many as there are lanes at most; behind them, the next ones lie so many
  // cells of the input and outputs ahead. False where halves are not in order.
  bool write(const OuterCell<S>* outer, int64_t count, int64_t next_x, int64_t next_y) {
    for (int64_t lane = 0; lane < L; ++lane) {  // the last one more than once
      outer_[lane] = outer[least(lane, count - 1)];
    }
    count_ = count;
    x_ahead_ = ahead(next_x);
    y_ahead_ = ahead(next_y);
    for (int64_t o = 0; o < first_.out; o += plan_.band) {
      const int64_t end = least(first_.out, o + plan_.band);
      if (!(work_.winners ? rows<true>(o, end) : rows<false>(o, end))) return false;
    }
    return true;
  }

 private:
  static constexpr int64_t kFarGroup = 64 << 10, kAheadInRow = 512;
  using Number = Winner<T>;

  // How many bytes ahead to ask for cells: the next outer cells', unless these are far away. (Where
  // so many rows are read side by side, the processor does not see what comes next.)
  static int64_t ahead(int64_t to_next) {
    const int64_t bytes = to_next * int64_t{sizeof(S)};
    return bytes > 0 && bytes <= kFarGroup ? bytes : kAheadInRow;
  }

  // Outputs from `o` on and before `end` along the first axis.
  template <bool kWinners>
  bool rows(int64_t o, int64_t end) {
    const int64_t start = o * first_.stride - first_.before;
    const int64_t span = (first_.kernel - 1) * first_.dilation + 1;
    from_ = most(0, start);
    to_ = least(first_.n, start + (end - 1 - o) * first_.stride + span);
    const bool clean = bring();
    if (!std::is_same_v<S, T> && std::is_same_v<T, int16_t> && !clean) return false;
    const int now = clean ? fold<true, kWinners>(o, end) : fold<false, kWinners>(o, end);
    put<kWinners>(o * row_outputs_, (end - o) * row_outputs_, now);
    return true;
  }

  // Those rows of the input. False if there is a NaN, or halves are not in order.
  bool bring() const {
    const int64_t cells = (to_ - from_) * row_, begin = from_ * row_;
    Seen<S, T> seen;
    const auto some = [&](int64_t at, int64_t count, auto load_at) {
      Vec<T> lanes[L];
      for (int64_t l = 0; l < L; ++l) {
        const S* from = outer_[l].x + begin + at;
        lanes[l] = load_at(from);
        prefetch<false>(address(from) + x_ahead_);
        seen.look(lanes[l]);
      }
      transpose<T>(lanes);
      for (int64_t i = 0; i < count; ++i) store(values_[0] + (at + i) * L, lanes[i]);
    };
    const auto whole = [](const S* from) { return load_cells<S, T>(from); };
    int64_t at = 0;
    for (; at + L <= cells; at += L) some(at, L, whole);
    if (at < cells && cells >= L) {
      some(cells - L, L, whole);  // once more some of those before
    } else if (at < cells) {
      const uint64_t bits = bits_between(0, cells);
      some(0, cells, [&](const S* from) { return load_some<S, T>(from, bits, lowest<S, T>()); });
    }
    return !seen;
  }

  // All axes. Where the outputs are then.
  template <bool kClean, bool kWinners>
  int fold(int64_t o, int64_t end) {
    int now = 0;
    int64_t behind = 1, weight = 1, before = (to_ - from_) * row_;
    for (int a = work_.axes - 1; a >= 0; --a) {
      const Axis& along = work_.axis[a];
      const int64_t cells = a > 0 ? along.n : to_ - from_;
      before /= cells;
      const Run run = a > 0 ? Run{before, cells, 0, 0, along.out, behind, weight}
                            : Run{1, cells, from_, o, end, behind, weight};
      const int next = now == 1 ? 2 : 1;
      now == 0 ? axis<kClean, kWinners, true>(along, run, now, next)
               : axis<kClean, kWinners, false>(along, run, now, next);
      now = next;
      behind *= run.end - run.o;
      weight *= along.kernel;
    }
    return now;
  }

  // Of an axis: the cells before it, along it and which is the first; the outputs; those behind it.
  struct Run {
    int64_t before, cells, first, o, end, behind, weight;
  };

  template <bool kClean, bool kWinners, bool kFirst>
  void axis(const Axis& along, const Run& run, int now, int next) const {
    switch (along.kernel) {
      case 2: return axis<kClean, kWinners, kFirst, 2>(along, run, now, next);
      case 3: return axis<kClean, kWinners, kFirst, 3>(along, run, now, next);
      default: axis<kClean, kWinners, kFirst, 0>(along, run, now, next);
    }
  }
  template <bool kClean, bool kWinners, bool kFirst, int kKernel>
  void axis(const Axis& along, const Run& run, int now, int next) const {
    const int64_t cell = run.behind * L, step = along.dilation * cell;
    const auto [whole, behind] = windows_inside(along);
    T* to = values_[next];
    Number* to_number = numbers_[next];
    for (int64_t p = 0; p < run.before; ++p) {
      const auto windows = [&](auto kernel, int64_t o, int64_t count, int64_t lo, int64_t hi) {
        const int64_t start = o * along.stride - along.before + lo * along.dilation;
        const int64_t place = (p * run.cells + start - run.first) * cell;
        const T* from = values_[now] + place;
        const Number* number = kFirst ? nullptr : numbers_[now] + place;
        const Taps taps{kernel() ? kernel() : hi - lo, step, lo * run.weight, run.weight};
        for (int64_t q = 0; q < count; ++q) {
          for (int64_t i = 0; i < (kFirst ? L : cell); i += L) {
            const Best<T> best = window<kClean, kWinners, kFirst, kernel()>(
                from + i, kFirst ? nullptr : number + i, taps);
            store(to, best.value);
            to += L;
            if constexpr (kWinners) store(to_number, best.winner), to_number += L;
          }
          from += along.stride * cell;
          if constexpr (!kFirst) number += along.stride * cell;
        }
      };
      for (int64_t o = run.o; o < run.end;) {
        if (o >= whole && o < behind) {
          const int64_t count = least(run.end, behind) - o;
          windows(std::integral_constant<int, kKernel>{}, o, count, 0, along.kernel);
          o += count;
        } else {
          const auto [lo, hi] = taps_inside(along, o * along.stride - along.before);
          windows(std::integral_constant<int, 0>{}, o, 1, lo, hi);
          ++o;
        }
      }
    }
  }

  // Of a window along an axis: how many, how far from each to the next, their numbers.
  struct Taps {
    int64_t count, step, number, weight;
  };

  template <bool kClean, bool kWinners, bool kFirst, int kTaps>
  static inline Best<T> window(const T* from, const Number* number, const Taps& taps) {
    const int64_t count = kTaps ? kTaps : taps.count;
    Vec<Number> winner{};
    if constexpr (kWinners) winner = broadcast(static_cast<Number>(taps.number));
    Best<T> best{load(from), winner};
    if constexpr (kWinners && !kFirst) best.winner += load(number);
    for (int64_t t = 1; t < count; ++t) {
      from += taps.step;
      Vec<Number> here{};
      if constexpr (kWinners) {
        winner += broadcast(static_cast<Number>(taps.weight));
        here = winner;
        if constexpr (!kFirst) here += load(number += taps.step);
      }
      fold_in<kClean, kWinners, T>(best, load(from), here);
    }
    return best;
  }

  // So many outputs, the first of which is the `begin`-th of each outer cell.
  template <bool kWinners>
  void put(int64_t begin, int64_t outputs, int now) const {
    const auto some = [&](int64_t at, uint64_t bits) {
      Vec<T> lanes[L];
      for (int64_t i = 0; i < L; ++i) lanes[i] = load(values_[now] + (at + i) * L);
      transpose<T>(lanes);
      for (int64_t l = 0; l < count_; ++l) {
        S* to = outer_[l].y + begin + at;
        put_cells<S, T>(to, lanes[l], bits);
        prefetch<true>(address(to) + y_ahead_);
      }
      if constexpr (kWinners) {
        Vec<Number> winners[L];
        for (int64_t i = 0; i < L; ++i) winners[i] = load(numbers_[now] + (at + i) * L);
        transpose<Number>(winners);
        for (int64_t l = 0; l < count_; ++l) {
          store_bytes<T>(outer_[l].winners + begin + at, winners[l], bits);
        }
      }
    };
    constexpr uint64_t kAll = ~uint64_t{0};
    int64_t at = 0;
    for (; at + L <= outputs; at += L) some(at, kAll);
    if (at < outputs) {
      outputs >= L ? some(outputs - L, kAll) : some(0, bits_between(0, outputs));
    }
  }

  const Work& work_;
  const Forward& plan_;
  const Axis& first_;
  T* const values_[3];        // the cells, and what is folded of them, in turn
  Number* const numbers_[3];  // in the window, of the last two
  int64_t row_ = 1, row_outputs_ = 1;
  int64_t count_ = 0;  // of outer cells
  int64_t x_ahead_ = 0, y_ahead_ = 0;
  int64_t from_ = 0, to_ = 0;  // the rows that are here
  OuterCell<S> outer_[L];
};

// Halves are compared as integers, T, and where they are not in order, as floats.
template <class S, class T>
int64_t transposed(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                   int64_t end) {
  using Exact = std::conditional_t<std::is_same_v<S, T>, T, float>;
  constexpr int64_t L = kLanes<T>, kFew = kLanes<Exact>;
  char *free = static_cast<char*>(scratch), *same = free;
  Transposed<S, T> way(work, plan, free);
  Transposed<S, Exact> exact(work, plan, same);
  Walk walk(work, plan, begin);
  for (int64_t item = begin; item < end; item += L) {
    OuterCell<S> outer[L];
    const int64_t count = least(L, end - item), x = walk.x, y = walk.y;
    for (int64_t i = 0; i < count; ++i, walk.next(work, plan)) {
      outer[i] = {static_cast<const S*>(work.source) + walk.x,
                  static_cast<S*>(work.result) + walk.y,
                  static_cast<uint8_t*>(work.winners) + walk.winners};
    }
    if (way.write(outer, count, walk.x - x, walk.y - y)) continue;
    for (int64_t i = 0; i < count; i += kFew) {
      exact.write(outer + i, least(kFew, count - i), walk.x - x, walk.y - y);
    }
  }
  return 0;
}

}  // namespace
}  // namespace ndpool

#endif
