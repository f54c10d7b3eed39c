// Moving tiles between the user's arrays and the scratch, whatever their strides: what all kinds
// of pooling share.
#pragma once

#include "element.h"
#include "work.h"

namespace ndpool {
namespace {

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0); }  // b > 0

// The tile's even share of n: the first of it, and the one behind the last.
inline std::pair<int64_t, int64_t> share_of(int64_t n, int64_t tiles, int64_t tile) {
  const int64_t begin = n / tiles * tile + least(n % tiles, tile);
  return {begin, begin + n / tiles + (tile < n % tiles)};
}

// The taps, from the first on and before the second, that lie inside the input along an axis where
// the window begins at `start`.
inline std::pair<int64_t, int64_t> taps_inside(const Axis& along, int64_t start) {
  const int64_t over = start + (along.kernel - 1) * along.dilation - along.n + 1;
  return {start < 0 ? ceil_div(-start, along.dilation) : 0,
          along.kernel - (over > 0 ? ceil_div(over, along.dilation) : 0)};
}

// The windows, from the first on and before the second, that lie inside the input as a whole.
inline std::pair<int64_t, int64_t> windows_inside(const Axis& along) {
  const int64_t room = along.n - (along.kernel - 1) * along.dilation + along.before;
  return {ceil_div(along.before, along.stride), room > 0 ? ceil_div(room, along.stride) : 0};
}

// The windows, from the first on and before the second, that reach cells [begin, end) of an axis.
inline std::pair<int64_t, int64_t> windows_reaching(const Axis& along, int64_t begin, int64_t end) {
  const int64_t before = begin + along.before - (along.kernel - 1) * along.dilation;
  return {before > 0 ? ceil_div(before, along.stride) : 0,
          least(along.out, ceil_div(end + along.before, along.stride))};
}

template <class T>
T* carve(char*& scratch, int64_t count) {
  T* start = reinterpret_cast<T*>(scratch);
  const size_t bytes = static_cast<size_t>(count) * sizeof(T) + 2 * 64;  // vectors overshoot
  scratch += (bytes + 63) / 64 * 64;
  return start;
}

template <class T>
void fill(T* to, T value, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = value;
}

template <class P>
inline P* shifted(P* pointer, int64_t by) {
  return pointer ? pointer + by : nullptr;
}

inline int64_t address(const void* pointer) { return reinterpret_cast<int64_t>(pointer); }

// Ask for the line of the cache at this address, which may lie anywhere: a hint never fails. (GCC
// leaves out calls of functions that do no more than this, so such ones have to be inlined.)
template <bool kWrite>
__attribute__((always_inline)) inline void prefetch(int64_t address) {
  __builtin_prefetch(reinterpret_cast<const void*>(address), kWrite, 3);
}

// The same into the second-level cache only, which can wait for more lines at a time than the
// first. Where memory has to deliver, that is a tenth faster; where a cache does, as much slower.
__attribute__((always_inline)) inline void prefetch_from_memory(int64_t address) {
  __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 2);
}

constexpr int64_t kLineOfCache = 64;  // bytes

// Bytes, to ask for cells before they are read and written: the processor itself looks no further
// than a page. Where memory has to deliver, it takes longer.
constexpr int64_t kAhead = 4096, kAheadOfMemory = 6144, kWriteAhead = 512;

// The same where the cells of windows are asked for in the order of memory and their rows lie that
// many bytes apart: from behind a window's last row on, or those of the rows before it would be
// asked for too late (which takes up to twice as long). 0 where no cache keeps them till then.
inline int64_t ahead_of_rows(const Axis& rows, int64_t row, int64_t ahead) {
  constexpr int64_t kFarthest = 128 << 10;
  const int64_t reach = (rows.kernel - 1) * rows.dilation * row;
  return reach <= kFarthest ? ahead + reach + least(row, ahead) : 0;
}

// Asks for the start of the next outer cell, taken to be as far away as this one is from the one
// before. Small outer cells gain a quarter: while one is computed, the memory would be idle.
template <bool kWrite>
class Ahead {
 public:
  void look(const void* now) {
    const int64_t step = address(now) - last_;
    last_ = address(now);
    const int64_t bytes = least(step, kMost);
    for (int64_t i = 0; i < bytes; i += 64) prefetch<kWrite>(last_ + step + i);
  }

 private:
  static constexpr int64_t kMost = 4096;  // bytes; from there on the processor sees the pattern
  int64_t last_ = INT64_MAX / 2;          // the first step is no step
};

// to[i] = from[i * step], with the steps that occur most known to the compiler.
template <class S, class T>
void copy_strided(T* to, const S* from, int64_t step, int64_t count) {
  if constexpr (std::is_same_v<S, T>) {
    if (step == 1) return copy_run(to, from, count);
  }
  if (step == 1) {
    widen_run(to, from, count);
  } else if (step == 2) {
    for (int64_t i = 0; i < count; ++i) to[i] = as<T>(from[2 * i]);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = as<T>(from[i * step]);
  }
}

// Store `count` values as the array's own. Not around the cache: a result is mostly fresh memory,
// which the system has just filled with zeros there.
template <class T, class S>
void emit(S* to, const T* from, int64_t count) {
  if constexpr (std::is_same_v<S, T>) {
    copy_run(to, from, count);
  } else if constexpr (std::is_integral_v<S>) {
    convert_run(to, from, count);
  } else {
    narrow_run(to, from, count);
  }
}

// Store `count` winners in as many bytes as they take, from place `at` on.
template <class W>
void emit_winners(const Work& work, int64_t at, const W* winners, int64_t count) {
  switch (work.winner_bytes) {
    case 1: return emit(static_cast<uint8_t*>(work.winners) + at, winners, count);
    case 2: return emit(static_cast<uint16_t*>(work.winners) + at, winners, count);
    default: return emit(static_cast<uint32_t*>(work.winners) + at, winners, count);
  }
}

// A walk over items: the outer cell, the tile along each axis, the run of the inner. Advancing is
// counting up, not dividing: on small planes divisions would take longer than the pooling.
struct Walk {
  int64_t x = 0, y = 0, winners = 0;  // steps to the outer cell
  int64_t tile[kMostAxes] = {};
  int64_t inner = 0, inner_count = 0;  // first inner cell of the tile, and how many
  int64_t number = 0;                  // of the tile within its outer cell

  template <class Plan>
  Walk(const Work& work, const Plan& plan, int64_t item) {
    for (int a = 0; a < work.axes; ++a) tiles_[a] = plan.cut[a].tiles;
    tiles_[work.axes] = plan.inner_tiles;
    per_outer_ = plan.inner_tiles;
    for (int a = 0; a < work.axes; ++a) per_outer_ *= tiles_[a];
    number = item % per_outer_;
    int64_t rest = number, outer = item / per_outer_;
    inner_tile_ = rest % plan.inner_tiles;
    rest /= plan.inner_tiles;
    for (int a = work.axes - 1; a >= 0; --a) {
      tile[a] = rest % tiles_[a];
      rest /= tiles_[a];
    }
    for (int i = work.outers - 1; i >= 0; --i) {
      outer_[i] = outer % work.outer[i].n;
      outer /= work.outer[i].n;
      move(work.outer[i], outer_[i]);
    }
    set_inner(work, plan.inner_tile);
  }

  template <class Plan>
  void next(const Work& work, const Plan& plan) {
    if (++number < per_outer_) {
      if (++inner_tile_ == plan.inner_tiles) {
        inner_tile_ = 0;
        for (int a = work.axes - 1; a >= 0 && ++tile[a] == tiles_[a]; --a) tile[a] = 0;
      }
      return set_inner(work, plan.inner_tile);
    }
    number = 0;
    inner_tile_ = 0;
    for (int a = 0; a < work.axes; ++a) tile[a] = 0;
    set_inner(work, plan.inner_tile);
    for (int i = work.outers - 1; i >= 0; --i) {
      move(work.outer[i], 1);
      if (++outer_[i] < work.outer[i].n) return;
      move(work.outer[i], -outer_[i]);
      outer_[i] = 0;
    }
  }

  // Outer cells from this one to the last of its run along the innermost outer axis.
  int64_t left(const Work& work) const {
    return work.outer[work.outers - 1].n - outer_[work.outers - 1];
  }

 private:
  void move(const Outer& along, int64_t by) {
    x += by * along.x_step;
    y += by * along.y_step;
    winners += by * along.winner_step;
  }
  void set_inner(const Work& work, int64_t size) {
    inner = inner_tile_ * size;
    inner_count = least(size, work.inner - inner);
  }

  int64_t tiles_[kMostAxes + 1], per_outer_, inner_tile_ = 0;
  int64_t outer_[kMostOuter];
};

// All items: looks at each tile it comes to, then writes it. 0, or what `write` found wrong.
template <class Plan, class Look, class Write>
int64_t each_item(const Work& work, const Plan& plan, int64_t begin, int64_t end, const Look& look,
                  const Write& write) {
  Walk walk(work, plan, begin);
  int64_t seen = -1;
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) {
    if (walk.number != seen) look(walk);
    seen = walk.number;
    if (const int64_t bad = write(walk, item)) return bad;
  }
  return 0;
}

// The same by a way of going forward, where nothing can be wrong.
template <class Way>
int64_t write_all(Way& way, const Work& work, const Forward& plan, int64_t begin, int64_t end) {
  return each_item(
      work, plan, begin, end, [&](const Walk& walk) { way.look_at(walk); },
      [&](const Walk& walk, int64_t) {
        way.write(walk);
        return 0;
      });
}
template <class Way>
int64_t write_all(const Work& work, const Forward& plan, int64_t begin, int64_t end) {
  Way way(work, plan);
  return write_all(way, work, plan, begin, end);
}

// A tile of the input in the layout of `Cut`. What reaches over the edge is left as it is.
template <class S, class T>
class TileLoader {
 public:
  TileLoader(const Work& work, const Forward& plan)
      : work_(work), plan_(plan), last_(work.axes - 1) {}

  // To be called when `walk` came to another tile: where along each axis it lies.
  void look_at(const Walk& walk) {
    for (int a = 0; a <= last_; ++a) {
      first_[a] = walk.tile[a] * plan_.cut[a].tile * work_.axis[a].stride - work_.axis[a].before;
    }
    const Cut& cut = plan_.cut[last_];
    const Axis& along = work_.axis[last_];
    const int64_t apart = cut.slot_stride;
    for (int64_t c = 0; c < cut.classes; ++c) {
      const int64_t start = first_[last_] + cut.residue[c], reach = along.n - start;
      Range& range = ranges_[c & (kKnown - 1)];
      range.lo = start < 0 ? least(cut.slots, ceil_div(-start, apart)) : 0;
      range.hi = reach > 0 ? least(cut.slots, ceil_div(reach, apart)) : 0;
      range.hi = most(range.lo, range.hi);
      range.from = start + range.lo * apart;
    }
    paired_ = std::is_same_v<S, T> && cut.classes == 2 && apart == 2 && cut.residue[1] == 1 &&
              work_.inner == 1 && along.x_step == 1;
    plain_ = apart == 1 && along.x_step == 1 && work_.inner == 1;
    one_run_ = last_ > 0 && (paired_ || apart == 1);
    if (!one_run_) return;
    for (int64_t c = 0; c < cut.classes; ++c) {
      one_run_ &= ranges_[c].lo == 0 && ranges_[c].hi == cut.slots;
    }
    one_run_ &= first_[last_] == 0 && along.n == cut.slots * apart &&
                plan_.cut[last_ - 1].slot_stride == 1 &&
                work_.axis[last_ - 1].x_step == along.n * along.x_step;
  }

  void load(const Walk& walk, T* to) const {
    axis(walk, 0, static_cast<const S*>(work_.source) + walk.x + walk.inner * work_.inner_x_step,
         to);
  }

  // The slots along the first axis that lie inside the input, where those are neighbouring cells.
  std::pair<int64_t, int64_t> inside() const {
    return {most(0, -first_[0]), least(plan_.cut[0].slots, work_.axis[0].n - first_[0])};
  }

  static constexpr int64_t kKnown = 64;  // classes; plans have no more

 private:
  struct Range {  // the slots that lie inside the input, and where the first of them comes from
    int64_t lo, hi, from;
  };

  NDPOOL_RECURSIVE void axis(const Walk& walk, int a, const S* from, T* to) const {
    if (a == last_) return row(walk, from, to, 1);
    const Cut& cut = plan_.cut[a];
    const Axis& along = work_.axis[a];
    if (a + 1 == last_ && one_run_) {  // all rows at once
      const int64_t skipped = most(0, -first_[a]);
      const int64_t rows = least(cut.slots, along.n - first_[a]) - skipped;
      row(walk, from + (first_[a] + skipped) * along.x_step, to + skipped * cut.slot_step, rows);
      return;
    }
    if constexpr (std::is_same_v<S, T>) {
      if (a + 1 == last_ && plain_) return rows(a, from, to);
    }
    for (int64_t c = 0; c < cut.classes; ++c) {
      int64_t at = first_[a] + cut.residue[c];
      T* slot = to + c * cut.class_step;
      for (int64_t r = 0; r < cut.slots; ++r, at += cut.slot_stride, slot += cut.slot_step) {
        if (at < 0 || at >= along.n) continue;
        if (a + 1 == last_) {
          row(walk, from + at * along.x_step, slot, 1);
        } else {
          axis(walk, a + 1, from + at * along.x_step, slot);
        }
      }
    }
  }

  // Rows of neighbouring cells, none of them sorted into classes.
  void rows(int a, const S* from, T* to) const {
    const Cut& cut = plan_.cut[a];
    const int64_t n = work_.axis[a].n, stride = cut.slot_stride, slots = cut.slots;
    const int64_t from_step = work_.axis[a].x_step, to_step = cut.slot_step;
    const int64_t count = ranges_[0].hi - ranges_[0].lo;
    from += ranges_[0].from;
    to += ranges_[0].lo;
    for (int64_t c = 0; c < cut.classes; ++c, to += cut.class_step) {
      int64_t at = first_[a] + cut.residue[c];
      for (int64_t r = 0; r < slots; ++r, at += stride) {
        if (at >= 0 && at < n) copy_run(to + r * to_step, from + at * from_step, count);
      }
    }
  }

  // A row; or, where one_run_ says that they follow each other without a gap, `rows` of them.
  void row(const Walk& walk, const S* from, T* to, int64_t rows) const {
    const Cut& cut = plan_.cut[last_];
    const Axis& along = work_.axis[last_];
    if (!paired_) {
      const int64_t step = cut.slot_stride * along.x_step;
      for (int64_t c = 0; c < cut.classes; ++c, to += cut.class_step) {
        const Range& range = ranges_[c];
        if (range.lo == range.hi) continue;
        cells(walk, from + range.from * along.x_step, step, to + range.lo * cut.slot_step,
              (range.hi - range.lo) * rows);
      }
      return;
    }
    const Range even = ranges_[0], odd = ranges_[1];
    T* evens = to;
    T* odds = to + cut.class_step;
    if constexpr (std::is_same_v<S, T>) {
      if (one_run_) return split_run(evens, odds, from, rows * cut.slots);
      const int64_t lo = most(even.lo, odd.lo), hi = most(lo, least(even.hi, odd.hi));
      for (int64_t r = even.lo; r < least(lo, even.hi); ++r) evens[r] = from[at(r)];
      for (int64_t r = odd.lo; r < least(lo, odd.hi); ++r) odds[r] = from[at(r) + 1];
      split_run(evens + lo, odds + lo, from + at(lo), hi - lo);
      for (int64_t r = hi; r < even.hi; ++r) evens[r] = from[at(r)];
      for (int64_t r = hi; r < odd.hi; ++r) odds[r] = from[at(r) + 1];
    }
  }

  int64_t at(int64_t slot) const { return first_[last_] + 2 * slot; }

  void cells(const Walk& walk, const S* from, int64_t step, T* to, int64_t count) const {
    const int64_t inner = plan_.inner_tile;
    if (work_.inner == 1) return copy_strided(to, from, step, count);
    const bool whole = work_.inner_x_step == 1 && step == inner && walk.inner_count == inner;
    if (whole) return copy_strided(to, from, 1, count * inner);
    for (int64_t i = 0; i < count; ++i, from += step, to += inner) {
      copy_strided(to, from, work_.inner_x_step, walk.inner_count);
    }
  }

  const Work& work_;
  const Forward& plan_;
  const int last_;
  bool paired_ = false;   // a row is split into two classes
  bool plain_ = false;    // or copied as it is
  bool one_run_ = false;  // rows lie end to end, in the input and in the tile alike
  int64_t first_[kMostAxes];
  Range ranges_[kKnown];
};

}  // namespace
}  // namespace ndpool
