// The two commonest of all sums, straight between the user's arrays: windows of pairs of cells, and
// backward windows that do not overlap, whose cells get one output each.
#pragma once

#include "sum_tree.h"
#include "tiles.h"

namespace ndpool {
namespace {

// Windows of two cells along the last axis, side by side, all inside the input.
template <class T>
class Pairs {
 public:
  Pairs(const SumWork& work, const Sums& plan)
      : work_(work), plan_(plan), last_(work.axes - 1), finish_(divisor<T>(work)) {
    int64_t cells = 1;
    for (int a = 0; a <= last_; ++a) cells *= work.axis[a].n;
    outer_cells_ = cells;
    for (int i = work.outers - 1; i >= 0; --i) {
      one_run_ &= work.outer[i].x_step == cells;
      cells *= work.outer[i].n;
    }
    x_end_ = static_cast<const T*>(work.source) + cells;
  }

  void write(const Walk& walk) {
    const Axis& first = work_.axis[0];
    const int64_t begin = walk.tile[0] * plan_.cut[0].tile;
    const int64_t count = least(plan_.cut[0].tile, first.out - begin);
    const T* x = static_cast<const T*>(work_.source) + walk.x;
    if (!one_run_) x_end_ = x + outer_cells_;
    axis(0, count, x + begin * first.stride * first.x_step,
         static_cast<T*>(work_.result) + walk.y + begin * first.y_step);
  }

 private:
  NDPOOL_RECURSIVE void axis(int a, int64_t count, const T* x, T* y) const {
    const Axis& along = work_.axis[a];
    if (a >= last_ - 1) {
      const Loop rows =
          a == last_ ? Loop{1, 0, 0} : Loop{count, along.stride * along.x_step, along.y_step};
      const int64_t run = a == last_ ? count : work_.axis[last_].out;
      with_taps(plan_.ending->taps, [&](auto taps) { these<taps()>(rows, run, x, y); });
      return;
    }
    for (int64_t o = 0; o < count; ++o, x += along.stride * along.x_step, y += along.y_step) {
      axis(a + 1, work_.axis[a + 1].out, x, y);
    }
  }

  template <int kTaps>
  void these(const Loop& rows, int64_t run, const T* x, T* y) const {
    if constexpr (kTaps > 0 && kTaps < kMany) {
      int64_t offset[kTaps];
      for (int t = 0; t < kTaps; ++t) offset[t] = plan_.ending->offset[t];
      for (int64_t row = 0; row < rows.n; ++row, x += rows.from, y += rows.to) {
        int64_t o = 0;
        for (; o + L <= run; o += L) store(y + o, sums<kTaps>(x + 2 * o, offset));
        if (o == run) continue;
        if (x_end_ - x >= 2 * (o + L) + offset[kTaps - 1]) {
          store_some(y + o, sums<kTaps>(x + 2 * o, offset), run - o);
          continue;
        }
        T cells[kTaps * 2 * L] = {};
        int64_t here[kTaps];
        for (int t = 0; t < kTaps; ++t) {
          here[t] = t * 2 * L;
          for (int64_t i = 0; i < 2 * (run - o); ++i) {
            cells[here[t] + i] = x[2 * o + offset[t] + i];
          }
        }
        store_some(y + o, sums<kTaps>(cells, here), run - o);
      }
    }
  }

  template <int kTaps>
  inline Vec<T> sums(const T* from, const int64_t* offset) const {
    constexpr std::make_integer_sequence<int, L> lanes;
    const Vec<T> a = tree<kTaps, T>(from, offset), b = tree<kTaps, T>(from + L, offset);
    return finish_(every_second<0>(a, b, lanes) + every_second<1>(a, b, lanes), 0);
  }

  static constexpr int L = kLanes<T>;
  const SumWork& work_;
  const Sums& plan_;
  const int last_;
  const Finish<T> finish_;
  bool one_run_ = true;  // all of the input
  int64_t outer_cells_ = 0;
  const T* x_end_;
};

// Backward, no cell in two windows: each row of outputs is drawn out to one of cells, which is
// copied to all rows of its windows.
template <class S, class T>
class Blocks {
 public:
  Blocks(const SumWork& work, const Sums& plan, char*& scratch)
      : work_(work),
        plan_(plan),
        last_(work.axes - 1),
        finish_(divisor<T>(work)),
        row_(carve<T>(scratch, plan.chunk)),
        values_(carve<S>(scratch, plan.chunk)),
        drawn_(carve<S>(scratch, plan.arena)) {
    fill(drawn_, S{}, plan.arena);
  }

  void write(const Walk& walk) {
    from_ = nullptr;
    S* const to = static_cast<S*>(work_.result) + walk.y;
    const Axis& first = work_.axis[0];
    const int64_t begin = walk.tile[0] * plan_.result_tile[0];  // with what lies before the input
    const int64_t lo = most(begin, plan_.shift[0]);
    const int64_t hi = least(begin + plan_.result_tile[0], first.out + plan_.shift[0]);
    const S* const from = static_cast<const S*>(work_.source) + walk.x;
    if (last_ == 0) {
      row(from, to + (lo - plan_.shift[0]) * first.y_step, lo, hi);
    } else {
      axis(0, lo, hi, from, to);
    }
  }

 private:
  NDPOOL_RECURSIVE void axis(int a, int64_t lo, int64_t hi, const S* from, S* to) {
    const Axis& along = work_.axis[a];
    const int64_t shift = plan_.shift[a], next = plan_.shift[a + 1];
    const int64_t next_hi = next + work_.axis[a + 1].out;
    int64_t o = lo / along.stride, tap = lo % along.stride;
    for (int64_t at = lo; at < hi; ++at) {
      const S* here = from && tap < along.kernel && o < along.n ? from + o * along.x_step : nullptr;
      S* const there = to + (at - shift) * along.y_step;
      if (a + 1 == last_) {
        row(here, there, next, next_hi);
      } else {
        axis(a + 1, next, next_hi, here, there);
      }
      if (++tap == along.stride) tap = 0, ++o;
    }
  }

  // Cells lo to hi of a row, counted with those before it, from this row of outputs or none.
  void row(const S* from, S* to, int64_t lo, int64_t hi) {
    const Axis& along = work_.axis[last_];
    const int64_t inner = work_.inner, count = (hi - lo) * inner;
    if (!from) return fill(to, S{}, count);
    const int64_t first = lo / along.stride;
    if (from != from_) draw(from, first, hi);
    from_ = from;
    copy_run(to, drawn_ + (lo - first * along.stride) * inner, count);
  }

  // The windows from `first` to those that have cell hi - 1; zeros behind the last window.
  void draw(const S* from, int64_t first, int64_t hi) {
    const Axis& along = work_.axis[last_];
    const int64_t inner = work_.inner, at_once = most(1, plan_.chunk / inner);
    const int64_t end = least(along.n, ceil_div(hi, along.stride));
    for (int64_t o = first; o < end; o += at_once) {
      const int64_t some = least(at_once, end - o);
      S* to = drawn_ + (o - first) * along.stride * inner;
      if (inner == 1) {
        values(from + o * along.x_step, along.x_step, some);
        lay_out(to, some);
        continue;
      }
      for (int64_t i = 0; i < some; ++i) {
        for (int64_t done = 0; done < inner; done += plan_.chunk) {
          const int64_t run = least(plan_.chunk, inner - done);
          values(from + (o + i) * along.x_step + done * work_.inner_x_step, work_.inner_x_step,
                 run);
          for (int64_t tap = 0; tap < along.kernel; ++tap) {
            copy_run(to + (i * along.stride + tap) * inner + done, values_, run);
          }
        }
      }
    }
    const int64_t drawn = most(0, end - first) * along.stride;
    const int64_t left = hi - first * along.stride - drawn;
    fill(drawn_ + drawn * inner, S{}, most(0, left) * inner);
  }

  void values(const S* from, int64_t step, int64_t count) {
    copy_strided(row_, from, step, count);
    for (int64_t i = 0; i < count; i += kLanes<T>) {
      store(row_ + i, finish_(load(row_ + i), 0) + Vec<T>{});  // -0.0, too small a quotient, is 0.0
    }
    emit(values_, row_, count);
  }

  void lay_out(S* to, int64_t count) const {
    const int64_t kernel = work_.axis[last_].kernel, stride = work_.axis[last_].stride;
    if constexpr (std::is_arithmetic_v<S>) {
      if (kernel == 2 && stride == 2) return interleave_run(to, values_, values_, count);
    }
    if (kernel >= 8) {
      for (int64_t i = 0; i < count; ++i) fill(to + i * stride, values_[i], kernel);
      return;
    }
    for (int64_t tap = 0; tap < kernel; ++tap) {
      for (int64_t i = 0; i < count; ++i) to[i * stride + tap] = values_[i];
    }
  }

  const SumWork& work_;
  const Sums& plan_;
  const int last_;
  const Finish<T> finish_;
  T* const row_;
  S* const values_;
  S* const drawn_;
  const S* from_ = nullptr;  // what is drawn out
};

template <class T>
int64_t sum_pairs(const Work& given, const Sums& plan, void*, int64_t begin, int64_t end) {
  const auto& work = static_cast<const SumWork&>(given);
  Pairs<T> pairs(work, plan);
  Walk walk(work, plan, begin);
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) pairs.write(walk);
  return 0;
}

template <class S, class T>
int64_t spread_blocks(const Work& given, const Sums& plan, void* scratch, int64_t begin,
                      int64_t end) {
  const auto& work = static_cast<const SumWork&>(given);
  char* free = static_cast<char*>(scratch);
  Blocks<S, T> blocks(work, plan, free);
  Walk walk(work, plan, begin);
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) blocks.write(walk);
  return 0;
}

}  // namespace
}  // namespace ndpool
