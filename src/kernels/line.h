// Backward where there is an output for each cell of the input, in arrays without gaps: dy, dx and
// the winners of all outer cells are lines of cells, side by side, and a tap is one shift of them.
//
// A cell asks each tap's window whether it won there, rows or outer cells apart as it may be: a
// winner was checked to lie in its own outer cell, so no other cell can take it for its own. Only
// the ends of the whole line need care.
#pragma once

#include "stream.h"
#include "winner_check.h"

namespace ndpool {
namespace {

// sum[u] + values where the winner beside them is `wanted`, sum[u] elsewhere; for 64 values.
template <class S, class T, int... kVector>
inline void add_where_equal(const uint8_t* winners, uint8_t wanted, const S* values, Vec<T>* sum,
                            std::integer_sequence<int, kVector...>) {
  constexpr int L = kLanes<T>;
  static_assert(sizeof...(kVector) * L == 64);
#if defined(NDPOOL_AVX512)
  if constexpr (L == 16) {  // to shift masks takes longer: a fifth, of halves
    const __m128i all = _mm_set1_epi8(static_cast<char>(wanted));
    const auto won = [&](int vector) {
      const auto* from = reinterpret_cast<const __m128i*>(winners + vector * L);
      return _mm_cmpeq_epi8_mask(_mm_loadu_si128(from), all);
    };
    ((sum[kVector] =
          (Vec<T>)add_some(won(kVector), sum[kVector], load_summands<S, T>(values + kVector * L))),
     ...);
  } else {
    const __mmask64 won = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(winners),
                                                 _mm512_set1_epi8(static_cast<char>(wanted)));
    using Mask = typename MaskOf<L>::type;
    ((sum[kVector] = (Vec<T>)add_some(bits_from<Mask, kVector * L>(won), sum[kVector],
                                      load_summands<S, T>(values + kVector * L))),
     ...);
  }
#else
  const Lanes<T> lanes(wanted);
  ((sum[kVector] = lanes.add_where_equal(Lanes<T>::bytes(winners + kVector * L),
                                         load_summands<S, T>(values + kVector * L), sum[kVector])),
   ...);
#endif
}

constexpr int64_t kFarLine = 1 << 20;   // bytes of dx from which they are not in a core's own cache
constexpr int64_t kAheadOnLine = 3072;  // then, bytes to ask for the cells ahead of time

// Ask for the cells that come after those at this address, and for the winners after these.
// Inlined, as `prefetch` is.
template <int kCells, bool kWrite, class S>
__attribute__((always_inline)) inline void ask_for_cells(int64_t from) {
  for (int64_t i = 0; i < kCells * int64_t{sizeof(S)}; i += kLineOfCache) {
    prefetch<kWrite>(from + kAheadOnLine + i);
  }
}
template <int kCells, class S>
__attribute__((always_inline)) inline void ask_for_winners(const uint8_t* winners) {
  for (int64_t i = 0; i < kCells; i += kLineOfCache) {
    prefetch<false>(address(winners) + kAheadOnLine / int64_t{sizeof(S)} + i);
  }
}

// How many cells go side by side: those of one byte are few vectors, on which loops are lost.
template <class T>
constexpr int64_t kBlock = kLanes<T> == 64 ? 2 * 64 : 64;
static_assert(kBlock<uint8_t> <= kLineBlock);

// to[i] = the sum of dy[i + offset[t]] over the taps t that won there, for a block of cells.
template <class T, class S, class D>
inline void line_block(S* to, const D* dy, const uint8_t* winners, const Taps& taps) {
  constexpr int L = kLanes<T>, kVectors = kBlock<T> / L, k64 = 64 / L;
  Vec<T> sum[kVectors] = {};
  for (int64_t t = 0; t < taps.taps; ++t) {
    const auto winner = static_cast<uint8_t>(taps.winner[t]);
    const int64_t at = taps.offset[t];
    add_where_equal<D, T>(winners + at, winner, dy + at, sum,
                          std::make_integer_sequence<int, k64>{});
    if constexpr (kVectors > k64) {
      add_where_equal<D, T>(winners + at + 64, winner, dy + at + 64, sum + k64,
                            std::make_integer_sequence<int, k64>{});
    }
  }
  for (int u = 0; u < kVectors; ++u) put_sums<S, T>(to + u * L, sum[u]);
}

// The taps of a plane of windows of 3x3 cells on such a line. What a vector of dy adds to three
// rows of dx it adds to all of them at once, so that it is loaded three times and not nine.
template <class T>
class Square {
 public:
  static constexpr int kSize = 3;
  using Sums = Vec<T>[kSize];  // of the row of dx that begins with this row of dy, and those before

  Square(const int64_t* winners, int64_t column) : column_(column) {
    for (int i = 0; i < kSize * kSize; ++i) wanted_[i / kSize][i % kSize] = Lanes<T>(winners[i]);
  }
  template <class S>
  inline void add(Sums& sums, const S* dy, const uint8_t* winners) const {
    for (int b = 0; b < kSize; ++b) {
      const auto won = Lanes<T>::bytes(winners + b * column_);
      const auto values = in_register(load_summands<S, T>(dy + b * column_));
      for (int a = 0; a < kSize; ++a) {
        sums[a] = wanted_[a][b].add_where_equal(won, values, sums[a]);
      }
    }
  }

 private:
  Lanes<T> wanted_[kSize][kSize];
  const int64_t column_;  // how far the next tap along a row is
};

// Some rows of dx, all but the first time after another plane of the window. The last vector of a
// row goes on into the next row: these cells are the same there.
template <class S, class T>
struct SquareRows {
  S* dx;
  const S* dy;
  const uint8_t* winners;
  int64_t row, rows;  // how far the next is, and how many
  bool first;
  Stream& out;  // of wide rows: narrow ones are sooner where they belong

  // The sums so far of the cells there, which are of the row `i`.
  Vec<T> so_far(const S* cells, int64_t i) const {
    return first || i >= rows ? Vec<T>{} : load_cells<S, T>(cells);
  }

  template <bool kFar, int... kVector>
  void narrow(const Square<T>& square, std::integer_sequence<int, kVector...>) const {
    typename Square<T>::Sums sums[sizeof...(kVector)] = {};
    const auto vector = [&](int64_t i, int v) {
      const int64_t at = i * row + v * kLanes<T>;
      if constexpr (kFar) {
        ask_for_cells<kLanes<T>, false, S>(address(dy + at));
        ask_for_cells<kLanes<T>, true, S>(address(dx + at));
        if (v == 0) ask_for_winners<kLanes<T>, S>(winners + at);
      }
      sums[v][0] = so_far(dx + at, i);
      square.add(sums[v], dy + at, winners + at);
      if (i >= 2) put_sums<S, T>(dx + at - 2 * row, sums[v][2]);
      sums[v][2] = sums[v][1];
      sums[v][1] = sums[v][0];
    };
    for (int64_t i = 0; i < rows + 2; ++i) (vector(i, kVector), ...);
  }

  // As many cells of a row at once as `panel` says. `kept` has room for the sums of two such rows,
  // and kLineBlock cells more for each, so that they are no whole pages apart.
  template <bool kFar>
  void wide(const Square<T>& square, T* kept, int64_t panel) const {
    for (int64_t begin = 0; begin < row; begin += panel) {
      const int64_t end = least(row, begin + panel);
      fill(kept, T{}, end - begin);
      fill(kept + panel + kLineBlock, T{}, end - begin);
      for (int64_t i = 0; i < rows + 2; ++i) {
        T* one = kept;
        S* to = i < 2 ? nullptr : out.at(dx + (i - 2) * row + begin, end - begin);
        for (int64_t p = begin; p < end; p += kLanes<T>, one += kLanes<T>) {
          T* two = one + panel + kLineBlock;
          const int64_t at = i * row + p;
          if constexpr (kFar) {
            const int64_t behind = (p - begin) * int64_t{sizeof(S)};  // `to` may be null
            ask_for_cells<kLanes<T>, false, S>(address(dy + at));
            ask_for_cells<kLanes<T>, true, S>(address(to) + behind);
            if (p % 64 < kLanes<T>) ask_for_winners<kLanes<T>, S>(winners + at);
          }
          typename Square<T>::Sums sums{so_far(dx + at, i), load(one), load(two)};
          square.add(sums, dy + at, winners + at);
          store(one, sums[0]);
          store(two, sums[1]);
          if (to) put_sums<S, T>(to + (p - begin), sums[2]);
        }
      }
    }
  }
};

// The same where each cell is a run of channels, some vectors long: a vector of them after the
// other, along a row. What three rows of dy have there stays in registers while it is needed; the
// sums of two rows of dx would be more than a core's own cache has.
template <class S, class T>
class SquareCells {
 public:
  SquareCells(const Taps& taps, int64_t cell, int64_t row) : cell_(cell), row_(row) {
    for (int i = 0; i < kSize * kSize; ++i) {
      wanted_[i / kSize][i % kSize] = Lanes<T>(taps.winner[i]);
    }
  }

  // Those of so many cells, of so many vectors each. The last vector goes on into the next cell,
  // where sums are the same.
  template <bool kFar>
  void write(S* dx, const S* dy, const uint8_t* winners, int64_t cells, int64_t vectors,
             bool around) const {
    for (int64_t i = 0; i < cells; i += kAtOnce) {
      for (int64_t v = 0; v < vectors; ++v) {
        const int64_t at = i * cell_ + v * kLanes<T>;
        along<kFar>(dx + at, dy + at, winners + at, least(kAtOnce, cells - i), around);
      }
    }
  }

 private:
  static constexpr int kSize = 3;
  static constexpr int64_t kAtOnce = 4;  // cells: of more, what is asked for is too far apart
  struct Column {
    Vec<T> values[kSize];
    typename Lanes<T>::Bytes winners[kSize];
  };

  inline Column column(const S* dy, const uint8_t* winners) const {
    Column read;
    for (int a = 0; a < kSize; ++a) {
      read.values[a] = in_register(load_summands<S, T>(dy + a * row_));
      read.winners[a] = Lanes<T>::bytes(winners + a * row_);
    }
    return read;
  }

  template <bool kFar>
  void along(S* dx, const S* dy, const uint8_t* winners, int64_t cells, bool around) const {
    Column left = column(dy, winners), middle = column(dy + cell_, winners + cell_);
    for (; cells > 0; --cells, dx += cell_, dy += cell_, winners += cell_) {
      const Column right = column(dy + 2 * cell_, winners + 2 * cell_);
      if constexpr (kFar) {
        ask_for_cells<kLanes<T>, false, S>(address(dy + 2 * (row_ + cell_)));
        ask_for_winners<kLanes<T>, S>(winners + 2 * (row_ + cell_));
        if (!around) ask_for_cells<kLanes<T>, true, S>(address(dx));
      }
      Vec<T> sum{};
      for (int a = 0; a < kSize; ++a) {
        sum = wanted_[a][0].add_where_equal(left.winners[a], left.values[a], sum);
        sum = wanted_[a][1].add_where_equal(middle.winners[a], middle.values[a], sum);
        sum = wanted_[a][2].add_where_equal(right.winners[a], right.values[a], sum);
      }
      around ? put_sums_around<S, T>(dx, sum) : put_sums<S, T>(dx, sum);
      left = middle;
      middle = right;
    }
  }

  Lanes<T> wanted_[kSize][kSize];
  const int64_t cell_, row_;  // how far the next is
};

// The taps on such a line where windows have rows of kSize cells next to each other, for integers:
// all rows of taps first, for each of kSize columns, and then the sum of the columns. So a vector
// of dy is loaded once for a row of taps. (That is another order of additions, and the same sum.)
// kRows: how many rows, or 0, for any.
template <class T, int kSize, int kRows>
class TapColumns {
 public:
  explicit TapColumns(const Taps& taps) : rows_(kRows ? kRows : taps.taps / kSize) {
    for (int64_t a = 0; a < rows_; ++a) {
      offset_[a] = taps.offset[a * kSize];
      for (int b = 0; b < kSize; ++b) wanted_[a][b] = Lanes<T>(taps.winner[a * kSize + b]);
    }
  }

  // Writes the cells from `lo` to `hi`, as long as nothing is asked for that lies behind `end`;
  // where the others begin. kAround: the cache.
  template <bool kFar, bool kAround>
  int64_t write(T* dx, const T* dy, const uint8_t* winners, int64_t lo, int64_t hi,
                int64_t end) const {
    const TapColumns own = *this;  // which dx is known not to be
    const int64_t reach = own.offset_[own.rows() - 1] + 2 * L;
    hi = least(hi, end - reach + 1);
    if (lo >= hi) return lo;
    const auto sums = [=, &own](int64_t at) __attribute__((always_inline)) {
      return own.sums(dy + at, winners + at);
    };
    Sums here = sums(lo);
    if constexpr (kAround) {  // first what is of a line of the cache that has others as well
      static_assert(L * sizeof(T) == kLineOfCache);
      const int64_t before = (-address(dx + lo) & (kLineOfCache - 1)) / int64_t{sizeof(T)};
      if (const int64_t count = least(before, hi - lo); count > 0) {
        store_some(dx + lo, joined(here, sums(lo + L)), first_bits(count));
        lo += count;
        here = sums(lo);
      }
    }
    for (; lo + L <= hi; lo += L) {
      if constexpr (kFar) {
        ask_for_cells<L, false, T>(address(dy + lo));
        if constexpr (!kAround) ask_for_cells<L, true, T>(address(dx + lo));
        ask_for_winners<L, T>(winners + lo);
      }
      const Sums next = sums(lo + L);
      const Vec<T> cells = joined(here, next);
      kAround ? put_sums_around<T, T>(dx + lo, cells) : store(dx + lo, cells);
      here = next;
    }
    if (lo < hi) store_some(dx + lo, joined(here, sums(lo + L)), first_bits(hi - lo));
    return hi;
  }

 private:
  static constexpr int64_t L = kLanes<T>;
  struct Sums {
    Vec<T> of[kSize];
  };

  int64_t rows() const { return kRows ? kRows : rows_; }

  __attribute__((always_inline)) inline Sums sums(const T* dy, const uint8_t* winners) const {
    Sums all{};
    for (int64_t a = 0; a < rows(); ++a) {
      const auto values = in_register(load(dy + offset_[a]));
      const auto won = in_register(Lanes<T>::bytes(winners + offset_[a]));
      for (int b = 0; b < kSize; ++b) {
        all.of[b] = wanted_[a][b].add_where_equal(won, values, all.of[b]);
      }
    }
    return all;
  }

  static inline Vec<T> joined(const Sums& here, const Sums& next) {
    return joined(here, next, std::make_integer_sequence<int, kSize - 1>{});
  }
  template <int... kBefore>
  static inline Vec<T> joined(const Sums& here, const Sums& next,
                              std::integer_sequence<int, kBefore...>) {
    return (here.of[0] + ... +
            shifted_lanes<kBefore + 1, T>(here.of[kBefore + 1], next.of[kBefore + 1]));
  }

  static constexpr int kMostRows = kRows ? kRows : kMostLineTaps / kSize;
  const int64_t rows_;
  int64_t offset_[kMostRows];
  Lanes<T> wanted_[kMostRows][kSize];
};

template <class S, class T>
class Line {
 public:
  Line(const Work& work, const Backward& plan, char*& scratch)
      : taps_(plan.line_taps),
        dy_(static_cast<const S*>(work.source)),
        winners_(static_cast<const uint8_t*>(work.winners)),
        dx_(static_cast<S*>(work.result)),
        cells_(work.outer_count * work.inner),
        first_(taps_.offset[0]),
        last_(taps_.offset[taps_.taps - 1]),
        copied_(plan.line_copied),
        near_dy_(carve<T>(scratch, copied_ + kLineBlock)),
        near_winners_(carve<uint8_t>(scratch, copied_ + kLineBlock)),
        sums_(carve<T>(scratch, kLineBlock)),
        panel_(plan.line_panel),
        kept_(carve<T>(scratch, 2 * (panel_ + kLineBlock))),
        past_cache_(work.past_cache),
        out_(past_cache_ && taps_.taps == 9 && sizeof(S) >= 4) {
    const auto three = [&](int a) { return work.axis[a].kernel == 3; };
    square_ = work.axes > 1 && three(work.axes - 1) && three(work.axes - 2) &&
              (work.axes == 2 || std::is_same_v<S, T>);
    const bool one_apart = taps_.taps > 1 && taps_.offset[1] - taps_.offset[0] == 1;
    columns_ = one_apart ? work.axis[work.axes - 1].kernel : 0;
    for (int a = 0; a < work.axes; ++a) cells_ *= work.axis[a].n;
    far_ = cells_ * static_cast<int64_t>(sizeof(S)) > kFarLine;
  }

  // The cells from `from` to `to`, whose windows were checked.
  void write(int64_t from, int64_t to) {
    const int64_t lo = most(from, least(to, -first_));  // away from the ends of the line
    const int64_t hi = most(lo, least(to, cells_ - last_));
    by_copies(from, lo);
    int64_t i = lo;
    if constexpr (kStraight) {
      const auto block = [&](int64_t at) {
        if (far_) {
          ask_for_cells<kBlock<T>, false, S>(address(dy_ + at));
          ask_for_cells<kBlock<T>, true, S>(address(dx_ + at));
          ask_for_winners<kBlock<T>, S>(winners_ + at);
        }
        line_block<T>(dx_ + at, dy_ + at, winners_ + at, taps_);
      };
      if constexpr (std::is_same_v<S, T> && std::is_integral_v<T>) {
        // with few registers, squares are as soon done, where they are possible
        if (columns_ && (kManyRegisters || sizeof(T) == 1 || !square_)) i = by_columns(lo, hi);
      }
      if constexpr (kManyRegisters) {
        if (square_ && i == lo) i = by_square_cells(lo, hi);
      }
      if (square_ && i == lo) i = by_squares(lo, hi);
      for (; i + kBlock<T> <= hi; i += kBlock<T>) block(i);
      if (i < hi && hi - lo >= kBlock<T>) {  // once more some of those before
        block(hi - kBlock<T>);
        i = hi;
      }
    }
    by_copies(i, to);
  }

 private:
#if defined(__AVX2__)
  static constexpr bool kStraight = true;
#else
  static constexpr bool kStraight = std::is_same_v<S, T>;  // to widen halves takes long: once
#endif
  static constexpr bool kManyRegisters = kVectorBytes == 64;

  // As many of those cells as are whole runs of channels; where the others begin. It gains where
  // they go around the cache, and where sums take more room than cells.
  int64_t by_square_cells(int64_t lo, int64_t hi) const {
    constexpr int64_t L = kLanes<T>;
    const int64_t cell = taps_.offset[1] - taps_.offset[0], row = taps_.offset[3] - taps_.offset[0];
    const int64_t vectors = (cell + L - 1) / L, behind = vectors * L - cell;
    const int64_t cells = (hi - lo - behind) / cell;
    const bool around = past_cache_ && whole_lines(dx_ + lo, cell * int64_t{sizeof(S)});
    if (taps_.taps > 9 || 4 * behind > cell || cells < 3) return lo;
    if (!around && sizeof(S) == sizeof(T)) return lo;
    const int64_t from = lo + taps_.offset[0];
    const auto write = [&](auto far) {
      const SquareCells<S, T> square(taps_, cell, row);
      square.template write<far()>(dx_ + lo, dy_ + from, winners_ + from, cells, vectors, around);
    };
    far_ ? write(std::true_type{}) : write(std::false_type{});
    return lo + cells * cell;
  }

  // All of those cells but some at the end of the line; where the others begin.
  int64_t by_columns(int64_t lo, int64_t hi) const {
    const bool square = columns_ * columns_ == taps_.taps;
    switch (columns_) {
      case 2: return square ? by_columns<2, 2>(lo, hi) : by_columns<2, 0>(lo, hi);
      case 3: return square ? by_columns<3, 3>(lo, hi) : by_columns<3, 0>(lo, hi);
      case 4: return by_columns<4, 0>(lo, hi);
      case 5: return by_columns<5, 0>(lo, hi);
      default: return lo;
    }
  }
  template <int kSize, int kRows>
  int64_t by_columns(int64_t lo, int64_t hi) const {
    if constexpr ((kSize - 1) * sizeof(T) > kMostShifted) {
      return lo;
    } else {
      const TapColumns<T, kSize, kRows> columns(taps_);
      const auto write = [&](auto far, auto is_around) {
        return columns.template write<far(), is_around()>(dx_, dy_, winners_, lo, hi, cells_);
      };
      constexpr std::true_type yes;
      constexpr std::false_type no;
      constexpr std::bool_constant<kVectorBytes == kLineOfCache> around;  // in halves, it is slower
      if (past_cache_) return write(yes, around);
      return far_ ? write(yes, no) : write(no, no);
    }
  }

  // As many of those cells as are whole rows; where the others begin.
  int64_t by_squares(int64_t lo, int64_t hi) {
    constexpr int64_t L = kLanes<T>,
                      kWide = kVectorBytes == 64 || sizeof(S) < sizeof(T) ? 2 * L : 8 * L;
    const int64_t row = taps_.offset[3] - taps_.offset[0], vectors = (row + L - 1) / L;
    const int64_t rows = (hi - lo - (vectors * L - row)) / row;
    if (2 * row < L || (vectors > 2 && row < kWide) || rows < 3) return lo;
    if (taps_.taps > 9 && row > panel_) return lo;  // panels end in cells of others
    for (int64_t t = 0; t < taps_.taps; t += 9) {
      const Square<T> square(taps_.winner + t, taps_.offset[1] - taps_.offset[0]);
      const int64_t from = lo + taps_.offset[t];
      const SquareRows<S, T> of{dx_ + lo, dy_ + from, winners_ + from, row, rows, t == 0, out_};
      const auto narrow = [&](auto vectors_of_a_row) {
        far_ ? of.template narrow<true>(square, vectors_of_a_row)
             : of.template narrow<false>(square, vectors_of_a_row);
      };
      switch (vectors) {
        case 1: narrow(std::make_integer_sequence<int, 1>{}); break;
        case 2: narrow(std::make_integer_sequence<int, 2>{}); break;
        default:
          far_ ? of.template wide<true>(square, kept_, panel_)
               : of.template wide<false>(square, kept_, panel_);
      }
    }
    return lo + rows * row;
  }

  // Cells whose windows may lie beyond the ends of the line: from a copy of what is there.
  void by_copies(int64_t from, int64_t to) const {
    const int64_t most_at_once = copied_ - (last_ - first_);
    for (; from < to; from += most_at_once) {
      const int64_t end = least(to, from + most_at_once);
      const int64_t begin = from + first_, reach = end + last_;
      const int64_t lo = most(0, begin), hi = least(cells_, reach);
      fill<uint8_t>(near_winners_, kNone, reach - begin + kLineBlock);
      if (lo < hi) {
        copy_strided(near_dy_ + (lo - begin), dy_ + lo, 1, hi - lo);
        copy_run(near_winners_ + (lo - begin), winners_ + lo, hi - lo);
      }
      for (int64_t i = from; i < end; i += kBlock<T>) {
        line_block<T>(sums_, near_dy_ + (i - begin), near_winners_ + (i - begin), taps_);
        emit(dx_ + i, sums_, least(kBlock<T>, end - i));
      }
    }
  }

  static constexpr uint8_t kNone = 255;  // no tap: windows have fewer

  const Taps taps_;
  const S* const dy_;
  const uint8_t* const winners_;
  S* const dx_;
  int64_t cells_;               // of the line
  bool far_;                    // it is not in the cache
  int64_t columns_;             // cells in a row of a window, if they are neighbours
  bool square_;                 // 3x3 cells along the last two axes, and sums can be kept in dx
  const int64_t first_, last_;  // from a cell to the first and the last of its windows
  const int64_t copied_;        // cells of dy and winners at a time, where they have to be
  T* const near_dy_;
  uint8_t* const near_winners_;
  T* const sums_;
  const int64_t panel_;  // cells of a row whose sums are kept
  T* const kept_;
  const bool past_cache_;
  Stream out_;
};

template <class S, class T>
int64_t line_gather(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                    int64_t end) {
  constexpr int64_t kAtOnce = 2048;  // cells at least: outer cells can be small
  char* free = static_cast<char*>(scratch);
  Line<S, T> line(work, plan, free);
  int64_t done = -1;  // cells that were written
  const int64_t bad = write_checked(work, plan, begin, end,
                                    [&](const Walk& walk, const WinnerCheck& check, int64_t item) {
                                      const auto [from, to] = check.cells();
                                      if (done < 0) done = walk.x + from;
                                      const int64_t checked = walk.x + to;
                                      if (checked - done < kAtOnce && item + 1 < end) return;
                                      line.write(done, checked);
                                      done = checked;
                                    });
  if (work.past_cache) wait_until_out();
  return bad;
}

}  // namespace
}  // namespace ndpool
