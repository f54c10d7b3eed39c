// Backward of large outer cells with large windows: each dy is added to the cell of dx that won its
// window, row by row of the outputs. Where sums are what dx holds, they are made in it.
#pragma once

#include <cmath>

#include "tiles.h"

namespace ndpool {
namespace {

// The places in the tile of a run of winners along the last axis, or -1 for those in other tiles;
// `target` has room for a vector more. False if any is no cell of its window inside the input.
template <class W>
bool find_places_of(const Places& places, const W* winners, int64_t count, int32_t* target) {
  using Ints = Vec<int32_t>;
  constexpr int L = kLanes<int32_t>;
  const int last = places.axes - 1;
  const auto cells = broadcast(static_cast<uint32_t>(places.cells));
  int32_t numbers[L];
  for (int lane = 0; lane < L; ++lane) numbers[lane] = lane * places.axis[last].next;
  Ints steps = load(numbers), wrong{};  // to the windows at hand, from the first
  auto* widened = reinterpret_cast<uint32_t*>(target);
  convert_run(widened, winners, count);
  for (int64_t i = 0; i < count; i += L, steps += broadcast(L * places.axis[last].next)) {
    const Vec<uint32_t> winner = load(widened + i);
    const Ints fine = (Ints)(winner < cells);
    Ints rest = (Ints)winner & fine, here = ~fine, outside{};
    Vec<uint32_t> place{};  // of those outside it means nothing, and may be any number
    for (int a = last; a >= 0; --a) {
      const PlacesAlong& along = places.axis[a];
      Ints tap = rest;
      if (a > 0) {  // rounded up, so that the quotient can be one too much
        const Vec<float> quotient = __builtin_convertvector(rest, Vec<float>) * along.inverse;
        rest = __builtin_convertvector(quotient, Ints);
        tap -= rest * along.kernel;
        const Ints over = tap >> 31;
        rest += over;
        tap += over & along.kernel;
      }
      Ints at = tap * along.dilation + along.first;
      if (a == last) at += steps;
      here |= (Ints)(at < along.lo) | (Ints)(at >= along.hi);
      outside |= (Ints)(at < 0) | (Ints)(at >= along.count);
      place += (Vec<uint32_t>)at * static_cast<uint32_t>(along.step);
    }
    store(target + i, (Ints)place | outside);
    for (int64_t lane = count - i; lane < L; ++lane) here[lane] = 0;
    wrong |= here;
  }
  return !any(wrong);
}

inline bool find_places(const Places& places, const void* winners, int winner_bytes, int64_t from,
                        int64_t count, int32_t* target) {
  const auto find = [&](const auto* stored) {
    return find_places_of(places, stored + from, count, target);
  };
  switch (winner_bytes) {
    case 1: return find(static_cast<const uint8_t*>(winners));
    case 2: return find(static_cast<const uint16_t*>(winners));
    default: return find(static_cast<const uint32_t*>(winners));
  }
}

// Some rows of dx along the first axis, and the outputs whose windows reach them, a run along the
// last axis at a time.
template <class S, class T>
class ScatterBand {
 public:
  ScatterBand(const Work& work, char*& scratch)
      : work_(work),
        last_(work.axes - 1),
        target_(carve<int32_t>(scratch, kScatteredRow)),  // with room for vectors
        row_(carve<T>(scratch, kScatteredRow)) {
    places_.axes = work.axes;
    places_.cells = static_cast<int32_t>(work.cells);
    for (int a = 0; a <= last_; ++a) {
      const Axis& axis = work.axis[a];
      PlacesAlong& along = places_.axis[a];
      along.kernel = static_cast<int32_t>(axis.kernel);
      along.dilation = static_cast<int32_t>(axis.dilation);
      along.next = static_cast<int32_t>(axis.stride);
      along.step = static_cast<int32_t>(axis.x_step);
      along.inverse = std::nextafter(1 / static_cast<float>(axis.kernel), 1.0f);
      set_rows(a, 0, axis.n);
    }
  }

  // The rows from `begin` on, whose sums go to `sums`.
  void begin(const Walk& walk, int64_t begin, int64_t count, T* sums) {
    const Axis& along = work_.axis[0];
    set_rows(0, begin, count);
    begin_ = begin;
    rows_ = count;
    cleared_ = 0;
    sums_ = sums;
    y_ = walk.y;
    winner_ = walk.winners;
    const auto [from, to] = windows_reaching(along, begin, begin + count);
    output_[0] = begin > 0 ? from : 0;  // winners of windows outside have to be looked at too
    end_ = begin + count < along.n ? to : along.out;
    for (int a = 1; a <= last_; ++a) output_[a] = 0;
    count_ = 0;
    more_ = output_[0] < end_;
  }

  // To the next run of outputs. False where there is none; then all rows are complete.
  bool next() {
    if (count_ > 0) advance();
    if (!more_) {
      clear(rows_);
      count_ = 0;
      return false;
    }
    const int64_t end = last_ == 0 ? end_ : work_.axis[last_].out;
    count_ = least(kScatteredRow, end - output_[last_]);
    clear(start(0) + ((last_ == 0 ? count_ - 1 : 0) * work_.axis[0].stride) +
          (work_.axis[0].kernel - 1) * work_.axis[0].dilation + 1);
    return true;
  }

  // Looks where they go. 0, or 1 + the place of a winner that is no cell of its window inside the
  // input.
  int64_t look() {
    int64_t y = y_, winner = winner_;
    for (int a = 0; a <= last_; ++a) {
      places_.axis[a].first = static_cast<int32_t>(start(a));
      y += output_[a] * work_.axis[a].y_step;
      winner += output_[a] * work_.axis[a].winner_step;
    }
    if (!found(winner, count_)) {
      for (int64_t i = 0; i < count_; ++i) {
        if (!found(winner + i, 1)) return 1 + winner + i;
        places_.axis[last_].first += places_.axis[last_].next;
      }
    }
    const Axis& along = work_.axis[last_];
    const S* dy = static_cast<const S*>(work_.source) + y;
    values_ = row_;
    if constexpr (std::is_same_v<S, T>) {
      if (along.y_step == 1) {
        values_ = dy;
        return 0;
      }
    }
    copy_strided(row_, dy, along.y_step, count_);
    return 0;
  }

  int64_t count() const { return count_; }
  inline void add(int64_t i) const {
    if (target_[i] >= 0) sums_[target_[i]] += values_[i];
  }

 private:
  void set_rows(int a, int64_t begin, int64_t count) {
    constexpr int64_t kMost = 1 << 30;
    places_.axis[a].lo = static_cast<int32_t>(most(-kMost, -begin));
    places_.axis[a].hi = static_cast<int32_t>(least(kMost, work_.axis[a].n - begin));
    places_.axis[a].count = static_cast<int32_t>(count);
  }

  bool found(int64_t winner, int64_t count) const {
    return work_.find_places(places_, work_.winners, work_.winner_bytes, winner, count, target_);
  }

  // Where the window at hand begins along axis a, from the first row on.
  int64_t start(int a) const {
    const Axis& along = work_.axis[a];
    return output_[a] * along.stride - along.before - (a == 0 ? begin_ : 0);
  }

  void advance() {
    output_[last_] += count_;
    for (int a = last_; a > 0; --a) {
      if (output_[a] < work_.axis[a].out) return;
      output_[a] = 0;
      ++output_[a - 1];
    }
    more_ = output_[0] < end_;
  }

  // Zero up to this row. Just before they are needed: they stay in the cache.
  void clear(int64_t to) {
    const int64_t step = work_.axis[0].x_step;
    to = least(to, rows_);
    if (to <= cleared_) return;
    fill(sums_ + cleared_ * step, T{}, (to - cleared_) * step);
    cleared_ = to;
  }

  const Work& work_;
  const int last_;
  int32_t* const target_;
  T* const row_;
  Places places_;
  T* sums_ = nullptr;
  const T* values_ = nullptr;
  int64_t begin_ = 0, rows_ = 0, cleared_ = 0, end_ = 0, count_ = 0, y_ = 0, winner_ = 0;
  int64_t output_[kMostAxes] = {};
  bool more_ = false;
};

// Neighbouring windows often have the same winner, and then each addition waits for the one before.
// So some bands go side by side: their additions do not meet.
template <class S, class T>
class ScatterRows {
 public:
  ScatterRows(const Work& work, const Backward& plan, char* scratch)
      : work_(work),
        tile_(plan.cut[0].tile),
        bands_{{work, scratch}, {work, scratch}, {work, scratch}, {work, scratch}},
        sums_(std::is_same_v<S, T> ? nullptr : carve<T>(scratch, plan.cells_in_all)) {}

  int64_t write(const Walk& walk) {
    const Axis& along = work_.axis[0];
    const int64_t begin = walk.tile[0] * tile_, count = least(tile_, along.n - begin);
    S* dx = static_cast<S*>(work_.result) + walk.x + begin * along.x_step;
    if constexpr (std::is_same_v<S, T>) sums_ = dx;
    // not so few rows each that most windows reach two bands
    const int64_t span = (along.kernel - 1) * along.dilation + 1;
    const int64_t rows = most(2 * span, ceil_div(count, kScatterBands));
    int bands = 0;
    for (int64_t row = 0; row < count; row += rows) {
      bands_[bands++].begin(walk, begin + row, least(rows, count - row),
                            sums_ + row * along.x_step);
    }
    for (bool more = true; more;) {
      more = false;
      int64_t least_count = bands == kScatterBands ? kScatteredRow : 0;
      for (int b = 0; b < bands; ++b) {
        if (bands_[b].next()) {
          more = true;
          if (const int64_t bad = bands_[b].look()) return bad;
        }
        least_count = least(least_count, bands_[b].count());
      }
      for (int64_t i = 0; i < least_count; ++i) {
        for (const auto& band : bands_) band.add(i);
      }
      for (int b = 0; b < bands; ++b) {
        for (int64_t i = least_count; i < bands_[b].count(); ++i) bands_[b].add(i);
      }
    }
    if constexpr (!std::is_same_v<S, T>) emit(dx, sums_, count * along.x_step);
    return 0;
  }

 private:
  static_assert(kScatterBands == 4);
  const Work& work_;
  const int64_t tile_;
  ScatterBand<S, T> bands_[kScatterBands];
  T* sums_;  // of the tile
};

template <class S, class T>
int64_t scatter_rows(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                     int64_t end) {
  ScatterRows<S, T> way(work, plan, static_cast<char*>(scratch));
  return each_item(
      work, plan, begin, end, [](const Walk&) {},
      [&](const Walk& walk, int64_t) { return way.write(walk); });
}

}  // namespace
}  // namespace ndpool
