// Backward of large outer cells with large windows: each dy is added to the cell of dx that won its
// window, row by row of the outputs. Where sums are what dx holds, they are made in it. Which cell
// that is, AVX-512 looks up (`TapList`) for winners of one byte; all others divide.
#pragma once

#include <cmath>

#include "tiles.h"

namespace ndpool {
namespace {

#if defined(NDPOOL_AVX512)

// See find_places; of one byte, by the list.
template <int kPairs>
bool find_listed_places(const Places& places, const uint8_t* winners, int64_t rows, int64_t count,
                        int32_t* target) {
  constexpr int L = 16;
  const TapList& list = *places.list;
  const int last = places.axes - 1;
  const bool padded = list.least[last];
  __m512i place[2 * kPairs], taps[2 * kPairs];
  for (int i = 0; i < 2 * kPairs; ++i) {
    place[i] = _mm512_loadu_si512(list.place + i * L);
    taps[i] = _mm512_loadu_si512(list.taps + i * L);
  }
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const PlacesAlong& along = places.axis[last];
  const __m512i next = _mm512_set1_epi32(L * along.next * along.step);
  const __m512i steps = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(along.next * along.step));
  const __m512i cells = _mm512_set1_epi32(places.cells);
  const __m512i from = _mm512_set1_epi32(places.from);
  const __m512i asked = _mm512_set1_epi32(places.to - places.from);
  uint32_t begin = 0;
  for (int a = 0; a <= last; ++a) {
    begin +=
        static_cast<uint32_t>(places.axis[a].first) * static_cast<uint32_t>(places.axis[a].step);
  }
  const int64_t inside_from = list.inside_from[last] - along.output;
  const int64_t inside_to = list.inside_to[last] - along.output;
  __mmask16 wrong = 0;
  __mmask64 outside = 0;
  for (int64_t r = 0; r < rows; ++r, winners += count, target += count) {
    uint32_t least_before = 0, most_before = 0;
    bool row_inside = true;
    for (int a = 0; a < last && padded; ++a) {
      const int64_t o = places.axis[a].output + (a == last - 1 ? r : 0);
      least_before |= list.least[a][o];
      most_before |= list.most[a][o];
      row_inside &= o >= list.inside_from[a] && o < list.inside_to[a];
    }
    const __m512i least = _mm512_set1_epi32(static_cast<int>(least_before));
    const __m512i most = _mm512_set1_epi32(static_cast<int>(most_before));
    __m512i window = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(begin)), steps);
    const auto vector = [&](int64_t i, __m128i bytes, uint64_t those) {  // those: bits of taps
      const __m512i winner = _mm512_cvtepu8_epi32(bytes);
      wrong |= _mm512_cmpge_epu32_mask(winner, cells);
      if (padded && !(row_inside && i >= inside_from && i + L <= inside_to)) {
        const __m512i tap = entries<kPairs>(taps, winner);
        const int64_t o = along.output + i;  // there are as many more as a vector reads
        const __m512i lo = _mm512_or_si512(_mm512_loadu_si512(list.least[last] + o), least);
        const __m512i hi = _mm512_or_si512(_mm512_loadu_si512(list.most[last] + o), most);
        const __mmask64 other = _mm512_cmplt_epu8_mask(tap, lo) | _mm512_cmpgt_epu8_mask(tap, hi);
        outside |= other & those;
      }
      __m512i at = _mm512_add_epi32(window, entries<kPairs>(place, winner));
      if (!places.all) {
        const __mmask16 not_asked = _mm512_cmpge_epu32_mask(_mm512_sub_epi32(at, from), asked);
        at = _mm512_mask_set1_epi32(at, not_asked, -1);
      }
      _mm512_storeu_si512(target + i, at);
      window = _mm512_add_epi32(window, next);
    };
    int64_t i = 0;
    for (; i + L <= count; i += L) {
      vector(i, _mm_loadu_si128(reinterpret_cast<const __m128i*>(winners + i)), ~uint64_t{0});
    }
    if (i < count) {
      const auto left = static_cast<__mmask16>(bits_between(0, count - i));
      vector(i, _mm_maskz_loadu_epi8(left, winners + i), bits_between(0, 4 * (count - i)));
    }
    if (last > 0) {
      const PlacesAlong& row = places.axis[last - 1];
      begin += static_cast<uint32_t>(row.next) * static_cast<uint32_t>(row.step);
    }
  }
  return wrong == 0 && outside == 0;
}

#endif

// The same of winners of any width.
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
    Ints rest = (Ints)winner & fine, here = ~fine;
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
      place += (Vec<uint32_t>)at * static_cast<uint32_t>(along.step);
    }
    const auto asked = static_cast<uint32_t>(places.to - places.from);
    const auto outside = (Ints)(place - static_cast<uint32_t>(places.from) >= asked);
    store(target + i, (Ints)place | outside);
    for (int64_t lane = count - i; lane < L; ++lane) here[lane] = 0;
    wrong |= here;
  }
  return !any(wrong);
}

// The cells of so many winners in each of some rows, from place `from` of these on; -1 for those
// that are not asked for. `target` has room for a vector more. False if any winner is no cell of
// its window inside the input; then they mean nothing.
inline bool find_places(const Places& places, const void* winners, int winner_bytes, int64_t from,
                        int64_t rows, int64_t count, int32_t* target) {
#if defined(NDPOOL_AVX512)
  if (places.list) {
    const uint8_t* first = static_cast<const uint8_t*>(winners) + from;
    return with_pairs(places.cells, [&](auto pairs) {
      return find_listed_places<pairs>(places, first, rows, count, target);
    });
  }
#endif
  Places row = places;
  const auto find = [&](const auto* stored) {
    return find_places_of(row, stored + from, count, target);
  };
  for (int64_t r = 0; r < rows; ++r, from += count, target += count) {
    bool fine = false;
    switch (winner_bytes) {
      case 1: fine = find(static_cast<const uint8_t*>(winners)); break;
      case 2: fine = find(static_cast<const uint16_t*>(winners)); break;
      default: fine = find(static_cast<const uint32_t*>(winners));
    }
    if (!fine) return false;
    if (row.axes > 1) row.axis[row.axes - 2].first += row.axis[row.axes - 2].next;
  }
  return true;
}

// Some rows of dx along the first axis, and the outputs whose windows reach them, some rows along
// the last axis at a time. Cells are counted from the first of the tile on.
template <class S, class T>
class ScatterBand {
 public:
  ScatterBand(const Work& work, const Backward& plan, char*& scratch)
      : work_(work),
        last_(work.axes - 1),
        target_(carve<int32_t>(scratch, kScatteredRow)),  // with room for vectors
        row_(carve<T>(scratch, kScatteredRow)) {
    const Axis &rows = work.axis[last_], &along = work.axis[most(0, last_ - 1)];
    winners_run_ = last_ > 0 && along.winner_step == rows.out;
    dy_runs_ =
        std::is_same_v<S, T> && rows.y_step == 1 && (!winners_run_ || along.y_step == rows.out);
    places_.axes = work.axes;
    places_.cells = static_cast<int32_t>(work.cells);
    places_.list = plan.tap_list;
    for (int a = 0; a <= last_; ++a) {
      const Axis& axis = work.axis[a];
      PlacesAlong& places = places_.axis[a];
      places.kernel = static_cast<int32_t>(axis.kernel);
      places.dilation = static_cast<int32_t>(axis.dilation);
      places.next = static_cast<int32_t>(axis.stride);
      places.step = static_cast<int32_t>(axis.x_step);
      places.inverse = std::nextafter(1 / static_cast<float>(axis.kernel), 1.0f);
      set_inside(a, 0);
    }
  }

  // So many rows of the tile, which begins at row `begin` of dx, from its row `row` on.
  void begin(const Walk& walk, int64_t begin, int64_t row, int64_t count) {
    const Axis& along = work_.axis[0];
    set_inside(0, begin);
    begin_ = begin;
    row_lo_ = cleared_ = row;
    row_hi_ = row + count;
    places_.from = static_cast<int32_t>(row_lo_ * along.x_step);
    places_.to = static_cast<int32_t>(row_hi_ * along.x_step);
    is_first_ = begin + row_lo_ == 0;  // winners of windows outside have to be looked at too
    is_last_ = begin + row_hi_ == along.n;
    const auto [from, to] = windows_reaching(along, begin + row_lo_, begin + row_hi_);
    for (int a = 0; a <= last_; ++a) output_[a] = 0;
    output_[0] = is_first_ ? 0 : from;
    end_ = is_last_ ? along.out : to;
    count_ = 0;
    more_ = output_[0] < end_;
    y_ = walk.y;
    winner_ = walk.winners;
  }

  // To the next outputs. False where there are none; then all rows are complete.
  bool next(T* sums) {
    if (count_ > 0) advance();
    if (!more_) {
      clear(sums, row_hi_);
      count_ = 0;
      return false;
    }
    const int64_t of_row = (last_ == 0 ? end_ : work_.axis[last_].out) - output_[last_];
    in_row_ = least(kScatteredRow, of_row);
    rows_ = 1;
    if (winners_run_ && output_[last_] == 0 && in_row_ == of_row) {
      const int64_t rows = (last_ == 1 ? end_ : work_.axis[last_ - 1].out) - output_[last_ - 1];
      rows_ = least(rows, kScatteredRow / in_row_);
    }
    count_ = rows_ * in_row_;
    const Axis& along = work_.axis[0];
    const int64_t further = last_ == 0 ? in_row_ - 1 : last_ == 1 ? rows_ - 1 : 0;
    const int64_t first = start(0);
    const int64_t end = first + further * along.stride + (along.kernel - 1) * along.dilation + 1;
    places_.all = (is_first_ || first >= row_lo_) && (is_last_ || end <= row_hi_);
    clear(sums, end);
    return true;
  }

  // Looks where they go. 0, or 1 + the place of a winner that is no cell of its window inside the
  // input.
  int64_t look() {
    int64_t y = y_, winner = winner_;
    for (int a = 0; a <= last_; ++a) {
      places_.axis[a].output = output_[a];
      places_.axis[a].first = static_cast<int32_t>(start(a));
      y += output_[a] * work_.axis[a].y_step;
      winner += output_[a] * work_.axis[a].winner_step;
    }
    if (!found(winner, rows_, in_row_)) return 1 + first_wrong(winner);
    const S* dy = static_cast<const S*>(work_.source) + y;
    if constexpr (std::is_same_v<S, T>) {
      values_ = dy;
      if (dy_runs_ && places_.all) return 0;
    }
    values_ = row_;
    for (int64_t r = 0; r < rows_; ++r, dy += work_.axis[most(0, last_ - 1)].y_step) {
      copy_strided(row_ + r * in_row_, dy, work_.axis[last_].y_step, in_row_);
    }
    if (!places_.all) leave_out();
    return 0;
  }

  int64_t count() const { return count_; }
  const int32_t* target() const { return target_; }
  const T* values() const { return values_; }

 private:
  void set_inside(int a, int64_t before) {
    constexpr int64_t kMost = 1 << 30;
    places_.axis[a].lo = static_cast<int32_t>(most(-kMost, -before));
    places_.axis[a].hi = static_cast<int32_t>(least(kMost, work_.axis[a].n - before));
  }

  bool found(int64_t winner, int64_t rows, int64_t count) const {
    return work_.find_places(places_, work_.winners, work_.winner_bytes, winner, rows, count,
                             target_);
  }

  // What goes to cells that are not asked for, adds zero to some that are (which no sum notices: it
  // began as 0.0, so it is no -0.0): as half of them do, in no order, a branch would cost more. To
  // several, or each addition waits for the one before.
  void leave_out() {
    T* const values = row_;
    int32_t* const target = target_;
    const int64_t count = count_;
    for (int64_t i = 0; i < count; ++i) values[i] = target[i] < 0 ? T{} : values[i];
    const int32_t from = places_.from, spread = work_.axis[0].x_step < 16 ? 0 : 15;
    for (int32_t i = 0; i < static_cast<int32_t>(count); ++i) {
      const int32_t out = target[i] >> 31;
      target[i] = (target[i] & ~out) | ((from + (i & spread)) & out);
    }
  }

  // One by one.
  int64_t first_wrong(int64_t winner) {
    PlacesAlong& along = places_.axis[last_];
    PlacesAlong& row = places_.axis[most(0, last_ - 1)];
    for (int64_t r = 0; r < rows_; ++r) {
      along.output = output_[last_];
      along.first = static_cast<int32_t>(start(last_));
      for (int64_t i = 0; i < in_row_; ++i, ++winner) {
        if (!found(winner, 1, 1)) return winner;
        ++along.output;
        along.first += along.next;
      }
      ++row.output;
      row.first += row.next;
    }
    return winner;
  }

  // Where the first window at hand begins along axis a, from the first row of the tile on.
  int64_t start(int a) const {
    const Axis& along = work_.axis[a];
    return output_[a] * along.stride - along.before - (a == 0 ? begin_ : 0);
  }

  void advance() {
    output_[last_] += in_row_;
    if (last_ > 0 && output_[last_] == work_.axis[last_].out) {
      output_[last_] = 0;
      output_[last_ - 1] += rows_;
      for (int a = last_ - 1; a > 0 && output_[a] == work_.axis[a].out; --a) {
        output_[a] = 0;
        ++output_[a - 1];
      }
    }
    more_ = output_[0] < end_;
  }

  // Zero up to this row. Just before they are needed: they stay in the cache.
  void clear(T* sums, int64_t to) {
    const int64_t step = work_.axis[0].x_step;
    to = least(to, row_hi_);
    if (to <= cleared_) return;
    fill(sums + cleared_ * step, T{}, (to - cleared_) * step);
    cleared_ = to;
  }

  const Work& work_;
  const int last_;
  int32_t* const target_;
  T* const row_;
  Places places_;
  const T* values_ = nullptr;
  int64_t begin_ = 0, row_lo_ = 0, row_hi_ = 0, cleared_ = 0, end_ = 0, y_ = 0, winner_ = 0;
  int64_t rows_ = 0, in_row_ = 0, count_ = 0;  // of outputs
  int64_t output_[kMostAxes] = {};
  bool is_first_ = false, is_last_ = false, more_ = false;
  bool winners_run_, dy_runs_;  // their rows lie one behind the other
};

// Adds runs of outputs, some of them side by side: neighbouring windows often have the same winner,
// and then each addition waits for the one before.
template <class T>
class SideBySide {
 public:
  explicit SideBySide(T* sums) : sums_(sums) {}

  // One more run. What it adds to must be no other's.
  void start(const int32_t* target, const T* values, int64_t count) {
    lanes_[number_++] = {target, values, count};
  }
  int number() const { return number_; }

  // All, until one has ended.
  void add() {
    int64_t most = kScatteredRow;
    for (int l = 0; l < number_; ++l) most = least(most, lanes_[l].left);
    static_assert(kScatterBands == 4);
    switch (number_) {
      case 1: add_all<1>(most); break;
      case 2: add_all<2>(most); break;
      case 3: add_all<3>(most); break;
      default: add_all<4>(most);
    }
    int still = 0;
    for (int l = 0; l < number_; ++l) {
      const Lane& lane = lanes_[l];
      if (lane.left > most) {
        lanes_[still++] = {lane.target + most, lane.values + most, lane.left - most};
      }
    }
    number_ = still;
  }

 private:
  struct Lane {
    const int32_t* target;
    const T* values;
    int64_t left;
  };
  template <int kLanes>
  void add_all(int64_t count) const {
    const int32_t* target[kLanes];
    const T* values[kLanes];
    for (int l = 0; l < kLanes; ++l) target[l] = lanes_[l].target, values[l] = lanes_[l].values;
    T* const sums = sums_;
    for (int64_t i = 0; i < count; ++i) {
      for (int l = 0; l < kLanes; ++l) sums[target[l][i]] += values[l][i];
    }
  }

  T* const sums_;
  Lane lanes_[kScatterBands];
  int number_ = 0;
};

template <class S, class T>
class ScatterRows {
 public:
  ScatterRows(const Work& work, const Backward& plan, char* scratch)
      : work_(work),
        tile_(plan.cut[0].tile),
        bands_{{work, plan, scratch},
               {work, plan, scratch},
               {work, plan, scratch},
               {work, plan, scratch}},
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
    for (int64_t row = 0; row < count; row += rows, ++bands) {
      bands_[bands].begin(walk, begin, row, least(rows, count - row));
    }
    for (bool more = true; more;) {
      SideBySide<T> lanes(sums_);
      for (int b = 0; b < bands; ++b) {
        if (!bands_[b].next(sums_)) continue;
        if (const int64_t bad = bands_[b].look()) return bad;
        lanes.start(bands_[b].target(), bands_[b].values(), bands_[b].count());
      }
      more = lanes.number() > 0;
      while (lanes.number() > 0) lanes.add();
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
