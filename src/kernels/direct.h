// Small windows, folded straight from the user's array into the result, a vector of outputs at a
// time: with stride 2 along the last axis, the cells at one place of neighbouring windows are two
// loads and a permutation, so nothing has to be sorted into a tile before; with stride 1, one load.
// AVX-512 has masks for the edges of rows. AVX2 has none for bytes and slow ones to store: there, a
// vector at the edge goes on into the next row wherever the array does, and what is written too
// much is written again.
#pragma once

#include "packed.h"
#include "sorted.h"
#include "stream.h"

namespace ndpool {
namespace {

// ---- lanes from the user's cells ----

#if defined(__AVX2__) && !defined(NDPOOL_AVX512)
#define NDPOOL_SELDOM __attribute__((noinline))  // there is another way but at the ends of arrays
#else
#define NDPOOL_SELDOM inline
#endif

// The lanes whose bits are set; the others are `low`, and nothing is read for them.
template <class S, class T>
NDPOOL_SELDOM Vec<T> load_some(const S* from, uint64_t bits, T low) {
#if defined(NDPOOL_AVX512)
  if constexpr (std::is_same_v<S, T>) return load_masked(from, bits, low);
  if constexpr (!std::is_integral_v<S> && std::is_same_v<T, int16_t>) {
    return in_order(load_masked(reinterpret_cast<const int16_t*>(from), bits, in_order(low)));
  }
  if constexpr (!std::is_same_v<S, T> && std::is_same_v<T, float>) {
    return pick(static_cast<__mmask16>(bits), widened_some(from, bits), broadcast(low));
  }
  if constexpr (std::is_integral_v<S> && sizeof(S) == 1 && std::is_same_v<T, int16_t>) {
    const auto some = static_cast<__mmask32>(bits);
    const __m256i bytes = _mm256_maskz_loadu_epi8(some, from);
    const __m512i cells =
        std::is_signed_v<S> ? _mm512_cvtepi8_epi16(bytes) : _mm512_cvtepu8_epi16(bytes);
    return (Vec<T>)_mm512_mask_mov_epi16((__m512i)broadcast(low), some, cells);
  }
  if constexpr (sizeof(S) < sizeof(T) && std::is_same_v<T, int32_t>) {
    const auto some = static_cast<__mmask16>(bits);
    __m512i cells;
    if constexpr (sizeof(S) == 1) {
      const __m128i bytes = _mm_maskz_loadu_epi8(some, from);
      cells = std::is_signed_v<S> ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
    } else {
      const __m256i pairs = _mm256_maskz_loadu_epi16(some, from);
      cells = std::is_signed_v<S> ? _mm512_cvtepi16_epi32(pairs) : _mm512_cvtepu16_epi32(pairs);
    }
    return pick(some, (Vec<T>)cells, broadcast(low));
  }
#elif defined(__AVX2__)
  constexpr uint64_t kAll = (uint64_t{1} << kLanes<T>)-1;
  if ((bits & kAll) == kAll) return load_cells<S, T>(from);
  if constexpr (std::is_same_v<S, T>) return load_masked(from, bits, low);
  if constexpr (!std::is_integral_v<S> && std::is_same_v<T, int16_t>) {
    return in_order(load_masked(reinterpret_cast<const int16_t*>(from), bits, in_order(low)));
  }
  if constexpr (!std::is_same_v<S, T> && std::is_same_v<T, float>) {
    return lanes_of<T>(bits) ? widened_some(from, bits) : broadcast(low);
  }
#endif
  T cells[kLanes<T>];
  for (int lane = 0; lane < kLanes<T>; ++lane) {
    cells[lane] = bits >> lane & 1 ? widen(from[lane]) : low;
  }
  return load(cells);
}

#if defined(__AVX2__)

// The same; where all lanes can be read they are, which without masks is much sooner done.
template <class S, class T>
inline Vec<T> load_some(const S* from, uint64_t bits, T low, [[maybe_unused]] bool readable) {
#if !defined(NDPOOL_AVX512)
  if (readable) {
    constexpr uint64_t kAll = (uint64_t{1} << kLanes<T>)-1;
    const Vec<T> cells = load_cells<S, T>(from);
    return (bits & kAll) == kAll ? cells : select(bits, cells, broadcast(low));
  }
#endif
  return load_some<S, T>(from, bits, low);
}

// Whether any of the lanes it was shown is NaN; of halves as integers, not in order.
template <class S, class T>
class Seen {
 public:
  void look(Vec<T> a, Vec<T> b) {
    if constexpr (std::is_floating_point_v<T>) nan_ |= unordered<T>(a, b);
    if constexpr (kIntegers) disorder_.look(a), disorder_.look(b);
  }
  void look(Vec<T> cells) {
    if constexpr (std::is_floating_point_v<T>) nan_ |= unordered<T>(cells, cells);
    if constexpr (kIntegers) disorder_.look(cells);
  }
  // The same in two steps: of all cells, and of the best of them.
  void look_for_low(Vec<T> cells) {
    if constexpr (kIntegers) disorder_.look_for_low(cells);
  }
  void look_for_high(Vec<T> best) {
    if constexpr (kIntegers) disorder_.look_for_high(best);
  }
  // Whether a best cell is -0.0, which of all 0.0 counts by its place.
  void look_for_zero(Vec<T> best) {
    if constexpr (std::is_floating_point_v<T>) {
      const auto bits = (Vec<Bits>)best;
      least_ = bits < least_ ? bits : least_;
    }
  }
  bool signed_zeros() const {
    return any((Vec<Winner<T>>)(least_ == broadcast(std::numeric_limits<Bits>::min())));
  }
  explicit operator bool() const {
    if constexpr (std::is_floating_point_v<T>) return any(nan_);
    if constexpr (kIntegers) return static_cast<bool>(disorder_);
    return false;
  }

 private:
  static constexpr bool kIntegers = std::is_same_v<T, int16_t> && !std::is_integral_v<S>;
  struct None {};
  using Bits = std::make_signed_t<Winner<T>>;  // of which those of -0.0 are the least
  std::conditional_t<std::is_floating_point_v<T>, Vec<Bits>, None> least_{};
  decltype(unordered<T>(Vec<T>{}, Vec<T>{})) nan_{};
  std::conditional_t<kIntegers, Disorder<S>, None> disorder_;
};

// What the vectors at the edges of a row need: there, some windows reach out of the row.
template <class T>
struct Edge {
  int64_t at;                             // the first output
  uint64_t store, load[kMostRowTaps][2];  // lanes inside: outputs; cells of each tap
  Winner<T> first[kLanes<T>];             // the first tap that is inside
};

template <class S, class T, int kStride>
class Direct {
 public:
  // `end`: of the items that it is to write.
  Direct(const Work& work, const Forward& plan, int64_t end)
      : work_(work),
        plan_(plan),
        last_(work.axes - 1),
        along_(work.axis[last_]),
        low_(lowest<S, T>()),
        around_(work.past_cache),
        out_(around_),
        winners_out_(around_ && work.winners) {
    const Axis& rows = work.axis[last_ > 0 ? last_ - 1 : 0];
    if (last_ > 0) new_rows_ = least(rows.stride, 4);
    x_row_ = rows.stride * rows.x_step;
    y_row_ = rows.y_step;
    int64_t outputs = 1;
    bool dense = kWholeEnds;
    for (int a = last_; a >= 0; --a) {
      dense &= work.axis[a].y_step == outputs;
      outputs *= work.axis[a].out;
    }
    if (dense) {
      const Walk last(work, plan, end - 1);
      const Axis& first = work.axis[0];
      y_end_ = last.y + least((last.tile[0] + 1) * plan.cut[0].tile, first.out) * first.y_step;
    }
    const int64_t row = rows.x_step * int64_t{sizeof(S)};
    const int64_t of_cells = around_ ? kAheadOfMemory : kAhead;
    const int64_t ahead = last_ > 0 ? ahead_of_rows(rows, row, of_cells) : 0;
    const bool one_run = ahead > 0 && rows.x_step == along_.n;
    ahead_ = (one_run ? ahead : of_cells) / int64_t{sizeof(S)};
    ahead_cells_ = one_run ? kStride * (new_rows_ - 1) : 0;
    ahead_row_ = one_run ? kStride * kLineOfCache : row;
  }

  // To be called when `walk` came to another tile.
  void look_at(const Walk& walk) {
    for (int a = 0; a <= last_; ++a) {
      begin_[a] = walk.tile[a] * plan_.cut[a].tile;
      count_[a] = least(plan_.cut[a].tile, work_.axis[a].out - begin_[a]);
    }
    start_ = begin_[last_] * kStride - along_.before;
    const int64_t step = kStride * L, reach = (along_.kernel - 1) * along_.dilation + step;
    look_at_all_ = count_[last_] * kStride < reach;
    int64_t e = 0, cut = 0, start = start_;
    for (int64_t o = 0; o < count_[last_]; o += L, start += step) {
      if (start < 0 || start + reach > along_.n || o + L > count_[last_])
        list(edges_[e++], o, start);
      if (!kWholeEnds) continue;
      const int64_t windows = least(L, count_[last_] - o);
      if (start < 0 || start + reach - kStride * (L - windows + 1) + 1 > along_.n) {
        cut_edges_[cut] = edges_[e - 1];
        cut_edges_[cut++].store = ~uint64_t{0};
      }
    }
    edges_[e].at = cut_edges_[cut].at = INT64_MAX;
    rows_ = 0;
  }

  // Before another writes what this one has written.
  void finish() {
    out_.finish();
    winners_out_.finish();
  }

  // False where values are not in order as T, and then not all is written.
  bool write(const Walk& walk) {
    in_order_ = true;
    const int64_t y = walk.y + begin_[last_] * along_.y_step;
    axis(0, static_cast<const S*>(work_.source) + walk.x, y);
    return in_order_;
  }

 private:
  static constexpr int L = kLanes<T>;
  static constexpr bool kFloats = std::is_floating_point_v<T>;
  static constexpr int64_t kOutputsAtOnce = 512;         // of several rows, at most
  static constexpr bool kWholeEnds = kVectorBytes < 64;  // else masks cost little
  using Pairs = std::conditional_t<sizeof(T) <= 2, Packed<T>, Sorted<T>>;  // of columns
  // Plans let no window reach further than 64 bytes, which are four vectors or fewer.
  static constexpr int kMostEdges = 12;
  static constexpr std::make_integer_sequence<int, L> lanes{};

  void list(Edge<T>& edge, int64_t o, int64_t start) const {
    edge.at = o;
    edge.store = bits_between(0, count_[last_] - o);
    for (int lane = 0; lane < L; ++lane) edge.first[lane] = 0;
    for (int64_t tap = 0; tap < along_.kernel; ++tap) {
      const int64_t at = start + tap * along_.dilation;
      edge.load[tap][0] = bits_between(-at, along_.n - at);
      edge.load[tap][1] = bits_between(-at - L, along_.n - at - L);
      for (int64_t lane = 0; lane < L && at + kStride * lane < 0; ++lane) {
        edge.first[lane] = static_cast<Winner<T>>(tap + 1);
      }
    }
  }

  NDPOOL_RECURSIVE void axis(int a, const S* x, int64_t y) {
    if (a == last_) return rows(x, y, 1);
    const Axis& along = work_.axis[a];
    int64_t start = begin_[a] * along.stride - along.before;
    y += begin_[a] * along.y_step;
    for (int64_t o = 0; o < count_[a]; ++o, start += along.stride, y += along.y_step) {
      const auto [lo, hi] = taps_inside(along, start);
      if (lo != lo_[a] || hi != hi_[a]) rows_ = 0;
      lo_[a] = lo;
      hi_[a] = hi;
      if (a + 1 == last_) {
        const int64_t alike = rows_alike(along, o, start);
        rows(x + start * along.x_step, y, alike);
        o += alike - 1, start += (alike - 1) * along.stride, y += (alike - 1) * along.y_step;
      } else {
        axis(a + 1, x + start * along.x_step, y);
      }
    }
  }

  // The rows of a window that lie inside the input: where they are, and the winner of their tap 0.
  void list_rows() {
    rows_ = 1;
    offset_[0] = add_[0] = 0;
    for (int a = 0; a < last_; ++a) {
      const Axis& along = work_.axis[a];
      const int64_t taps = hi_[a] - lo_[a];
      for (int64_t r = rows_ - 1; r >= 0; --r) {
        for (int64_t t = taps - 1; t >= 0; --t) {
          offset_[r * taps + t] = offset_[r] + (lo_[a] + t) * along.dilation * along.x_step;
          add_[r * taps + t] = (add_[r] * along.kernel) + lo_[a] + t;
        }
      }
      rows_ *= taps;
    }
    if (last_ > 1) {
      const int64_t in_plane = hi_[last_ - 1] - lo_[last_ - 1];
      ask_plane_ = rows_ > in_plane ? offset_[in_plane] + ahead_ : 0;
    }
    ask_ = offset_[0] + ahead_;
    first_offset_ = last_offset_ = offset_[0];
    for (int64_t r = 0; r < rows_; ++r) {
      first_offset_ = least(first_offset_, offset_[r]);
      last_offset_ = most(last_offset_, offset_[r]);
      add_[r] *= along_.kernel;
      numbers_[r] = Pairs::numbers(add_[r]);
    }
  }

  // How many rows of outputs, from output o of the next to last axis on, may go together.
  int64_t rows_alike(const Axis& along, int64_t o, int64_t start) const {
    const int64_t room = along.n - 1 - start - (along.kernel - 1) * along.dilation;
    if (start < 0 || room < 0 || (around_ && y_row_ != count_[last_])) return 1;
    const int64_t most_at_once = most(1, kOutputsAtOnce / count_[last_]);
    return least(least(room / along.stride + 1, most_at_once), count_[last_ - 1] - o);
  }

  // Rows of outputs below each other, the windows of which have the same taps inside.
  // (Not inlined: it is a third of all code as it is.)
  __attribute__((noinline)) void rows(const S* x, int64_t y, int64_t count) {
    if (rows_ == 0) list_rows();
    count_rows_ = count;
    look_at_ends(x + start_, y);
    S* to = static_cast<S*>(work_.result) + y;
    uint8_t* winners = work_.winners ? static_cast<uint8_t*>(work_.winners) + y : nullptr;
    if (around_) {
      to = around(out_, to, count * count_[last_]);
      if (winners) winners = around(winners_out_, winners, count * count_[last_]);
    }
    constexpr std::true_type yes;
    constexpr std::false_type no;
    const auto go = [&](auto clean, auto has_winners) __attribute__((always_inline)) {
      if constexpr (kStride == 1) {
        if (along_.kernel == 2)
          return vectors<clean(), has_winners(), 2, 0>(x + start_, to, winners);
        if (along_.kernel == 3)
          return vectors<clean(), has_winners(), 3, 0>(x + start_, to, winners);
      } else if constexpr (clean()) {
        constexpr bool kWinners = has_winners();
        // with winners, pairs of one byte each are sooner sorted
        constexpr std::bool_constant<sizeof(T) == 2 || (sizeof(T) == 1 && !kWinners)> pack_two;
        const int64_t kernel = along_.dilation == 1 ? along_.kernel : 0;
        const bool square = rows_ == kernel;
        constexpr bool kZeros = std::is_floating_point_v<T> && !kWinners;
        const auto fold = [&](auto packs, auto of_row,
                              auto of_rows) __attribute__((always_inline)) {
          if constexpr (packs()) {
            return by_columns<kWinners, of_row(), of_rows()>(x + start_, to, winners);
          } else {
            return vectors<true, kWinners, of_row(), of_rows()>(x + start_, to, winners);
          }
        };
        constexpr std::integral_constant<int, 0> any;
        constexpr std::integral_constant<int, 2> two;
        constexpr std::integral_constant<int, 3> three;
        constexpr std::integral_constant<int, 4> four;
        if (kernel == 3 && !(kZeros && signed_zeros_)) {
          const bool done = square ? fold(yes, three, three) : fold(yes, three, any);
          if (done || !(kZeros && signed_zeros_)) return done;
        }
        if constexpr (kZeros) {
          if (kernel == 3 && square) return fold(no, three, three);
        }
        if (kernel == 2 && square) return fold(pack_two, two, two);
        if (kernel == 2 && rows_ == 4) return fold(pack_two, two, four);  // of volumes
      }
      return vectors<clean(), has_winners(), 0, 0>(x + start_, to, winners);
    };
    if (winners ? go(yes, yes) : go(yes, no)) return;
    if constexpr (std::is_floating_point_v<T>) {
      winners ? go(no, yes) : go(no, no);  // once more: there is a NaN
    } else {
      in_order_ = false;
    }
  }

  // Of the rows at hand: whether all vectors may be read as a whole, and whether the last of the
  // outputs of each as well may be a whole vector, as the next row writes again what is beyond.
  void look_at_ends(const S* x, int64_t y) {
    edge_ = edges_;
    if constexpr (kWholeEnds) {
      const int64_t outputs = ceil_div(count_[last_], L) * L;
      const int64_t reach = (along_.kernel - 1) * along_.dilation + kStride * outputs + L;
      readable_ = work_.cells_of_source.has_rows(x, x + (count_rows_ - 1) * x_row_, first_offset_,
                                                 last_offset_ + reach);
      const int64_t y_last = y + (count_rows_ - 1) * y_row_;
      if (readable_ && (around_ || y_last + outputs <= y_end_)) edge_ = cut_edges_;
    }
  }

  // Where to make a part of a result that no cache holds.
  template <class R>
  static __attribute__((noinline)) R* around(Stream& out, R* there, int64_t count) {
    return out.at(there, count);
  }

  // Two vectors of neighbouring cells.
  struct Pair {
    Vec<T> low, high;
  };

  // While the outputs from o on are made of the cells from x on. Cells are asked for in the order
  // of memory, not row beside row: long rows go up to 1.7 times as fast so.
  // Inlined, as `prefetch` is.
  __attribute__((always_inline)) inline void ask_ahead(const S* x, int64_t o, const S* to) const {
    const auto ask = [&](auto from_memory, int64_t offset) __attribute__((always_inline)) {
      int64_t next = address(x + offset + ahead_cells_ * o);
      for (int64_t r = 0; r < new_rows_; ++r, next += ahead_row_) {
        for (int64_t line = 0; line < kStride * kLineOfCache; line += kLineOfCache) {
          from_memory() ? prefetch_from_memory(next + line) : prefetch<false>(next + line);
        }
      }
    };
    if (around_) {
      ask(std::true_type{}, ask_);
      if (ask_plane_ > 0) ask(std::true_type{}, ask_plane_);
      return;
    }
    ask(std::false_type{}, ask_);
    if (ask_plane_ > 0) ask(std::false_type{}, ask_plane_);
    prefetch<true>(address(to + o) + kWriteAhead);
  }

  // kKernel: cells in a row of a window that is not dilated; or 0, for any. kRows: the same of
  // rows.
  template <bool kClean, bool kWinners, int kKernel, int kRows>
  inline bool vectors(const S* x, S* to, uint8_t* winners) const {
    const int64_t count = count_[last_];
    Seen<S, T> seen;
    for (int64_t row = 0; row < count_rows_; ++row) {
      const Edge<T>* edge = edge_;
      const S* from = x;
      for (int64_t o = 0; o < count; o += L, from += kStride * L) {
        ask_ahead(from, o, to);
        const bool at_edge = o == edge->at;
        const auto best = at_edge
                              ? window<kClean, kWinners, true, kKernel, kRows>(from, *edge, seen)
                              : window<kClean, kWinners, false, kKernel, kRows>(from, *edge, seen);
        if (at_edge) {
          put<kWinners>(to + o, shifted(winners, o), best, edge++->store);
        } else {
          put<kWinners>(to + o, shifted(winners, o), best, ~uint64_t{0});
        }
      }
      x += x_row_, to += y_row_, winners = shifted(winners, y_row_);
    }
    return !kClean || !seen;
  }

  template <bool kWinners>
  static inline void put(S* to, uint8_t* winners, const Best<T>& best, uint64_t bits) {
    put_cells<S, T>(to, best.value, bits);
    if constexpr (kWinners) store_bytes<T>(winners, best.winner, bits);
  }

  // The same of two or three cells in a row: the best of each column of cells first, then of the
  // columns of each window.
  template <bool kWinners, int kKernel, int kRows>
  inline bool by_columns(const S* x, S* to, uint8_t* winners) {
    const int64_t count = count_[last_];
    Seen<S, T> seen;
    for (int64_t row = 0; row < count_rows_; ++row) {
      const Edge<T>* edge = edge_;
      const S* from = x;
      Columns here = columns<kWinners, kRows>(from, 0, *edge, seen), next{};
      for (int64_t o = 0; o < count; o += L, from += 2 * L) {
        ask_ahead(from, o, to);
        const bool at_edge = o == edge->at, last = o + L >= count;
        const auto& following = edge[at_edge];
        if constexpr (kKernel == 3) {
          if (last) next.low = column_behind<kWinners>(from + 2 * L, o + L, seen);
        }
        if (!last) next = columns<kWinners, kRows>(from + 2 * L, o + L, following, seen);
        Best<T> best = Pairs::template across<kWinners, kKernel>(here.low, here.high, next.low);
        if constexpr (kWinners) {
          if (at_edge) {  // what is outside is no winner
            const auto first = load(edge->first) + broadcast(static_cast<Winner<T>>(add_[0]));
            best.winner = pick(best.value == low_, first, best.winner);
          }
        }
        seen.look_for_high(best.value);
        if (at_edge) {
          put<kWinners>(to + o, shifted(winners, o), best, edge++->store);
        } else {
          put<kWinners>(to + o, shifted(winners, o), best, ~uint64_t{0});
        }
        here = next;
      }
      x += x_row_, to += y_row_, winners = shifted(winners, y_row_);
    }
    if constexpr (kFloats && !kWinners) {
      signed_zeros_ |= seen.signed_zeros();
      return !seen && !signed_zeros_;
    }
    return !seen;
  }

  // Of neighbouring columns of cells, as they lie there, the best of the rows of the windows; and
  // for winners ~ the number that each has in a window that begins with its pair.
  struct Columns {
    Best<T> low, high;
  };
  // Those of L windows; o is the first one's output.
  template <bool kWinners, int kRows>
  inline Columns columns(const S* x, int64_t o, const Edge<T>& edge, Seen<S, T>& seen) const {
    return o == edge.at ? columns<kWinners, kRows, true>(x, edge.load[0], seen)
                        : columns<kWinners, kRows, false>(x, edge.load[0], seen);
  }
  template <bool kWinners, int kRows, bool kEdge>
  inline Columns columns(const S* x, const uint64_t* bits, Seen<S, T>& seen) const {
    Columns best;
    for (int64_t r = 0; r < (kRows ? kRows : rows_); ++r) {
      const Pair row = cells<kFloats, kEdge>(x + offset_[r], bits, seen);
      add_row<kWinners>(best.low, row.low, r, seen);
      add_row<kWinners>(best.high, row.high, r, seen);
    }
    if constexpr (!kWinners)
      seen.look_for_zero(best.low.value), seen.look_for_zero(best.high.value);
    return best;
  }
  // Behind the last window, of which it has the third cells.
  template <bool kWinners>
  inline Best<T> column_behind(const S* x, int64_t o, Seen<S, T>& seen) const {
    Best<T> best{broadcast(low_), (Vec<Winner<T>>)broadcast(numbers_[0])};
    if (start_ + 2 * o >= along_.n) return best;
    for (int64_t r = 0; r < rows_; ++r) {
      const Vec<T> cell = load_some<S, T>(x + offset_[r], 1, low_, readable_);
      if constexpr (kFloats) seen.look(cell);
      add_row<kWinners>(best, cell, r, seen);
    }
    if constexpr (!kWinners) seen.look_for_zero(best.value);
    return best;
  }
  template <bool kWinners>
  inline void add_row(Best<T>& best, Vec<T> row, int64_t r, Seen<S, T>& seen) const {
    seen.look_for_low(row);
    Vec<Winner<T>> numbers{};
    if constexpr (kWinners) numbers = (Vec<Winner<T>>)broadcast(numbers_[r]);
    if (r == 0) {
      best.value = row;
      best.winner = numbers;
    } else {
      fold_in<true, kWinners, T>(best, row, numbers);
    }
  }

  template <bool kClean, bool kWinners, bool kEdge, int kKernel, int kRows>
  inline Best<T> window(const S* x, const Edge<T>& edge, Seen<S, T>& seen) const {
    const int64_t rows = kRows ? kRows : rows_;
    // Of integers, one row of the best: then there is one to sort. (Of 0.0 and -0.0 the first
    // counts, row by row.)
    if constexpr (kClean && !kWinners && std::is_integral_v<T> && kStride == 2) {
      const auto of_rows = [&](const S* from, int64_t tap) {
        const uint64_t* bits = edge.load[tap];
        Pair best = cells<kClean, kEdge>(from + offset_[0], bits, seen);
        for (int64_t r = 1; r < rows; ++r) {
          const Pair next = cells<kClean, kEdge>(from + offset_[r], bits, seen);
          best = {greater<T>(next.low, best.low), greater<T>(next.high, best.high)};
        }
        return best;
      };
      return along<kClean, kWinners, kEdge, kKernel>(x, edge, of_rows);
    } else {
      Best<T> best;
      for (int64_t r = 0; r < rows; ++r) {
        const auto of_row = [&](const S* from, int64_t tap) {
          if constexpr (kStride == 1) {  // a cell that is no first of a window may be a last
            if (tap == 0 || tap == along_.kernel - 1 || look_at_all_) {
              return cells<kClean, kEdge>(from, edge.load[tap], seen);
            }
            return cells<false, kEdge>(from, edge.load[tap], seen);
          }
          return cells<kClean, kEdge>(from, edge.load[tap], seen);
        };
        Best<T> next = along<kClean, kWinners, kEdge, kKernel>(x + offset_[r], edge, of_row);
        if constexpr (kWinners) next.winner += broadcast(static_cast<Winner<T>>(add_[r]));
        if (r == 0) {
          best = next;
        } else {
          fold_in<kClean, kWinners, T>(best, next.value, next.winner);
        }
      }
      return best;
    }
  }

  // The best of a row of each of L windows, the first of which begins there.
  template <bool kClean, bool kWinners, bool kEdge, int kKernel, class Cells>
  inline Best<T> along(const S* x, const Edge<T>& edge, const Cells& cells_at) const {
    Best<T> best;
    const int64_t kernel = kKernel ? kKernel : along_.kernel;
    const int64_t dilation = kKernel && kStride == 2 ? 1 : along_.dilation;
    const auto take = [&](Vec<T> next, int64_t tap) {
      if (tap == 0) {
        best.value = next;
        best.winner = kEdge ? load(edge.first) : Vec<Winner<T>>{};
      } else {
        fold_in<kClean, kWinners, T>(best, next, broadcast(static_cast<Winner<T>>(tap)));
      }
    };
    // an even and an odd tap are in the same two vectors
    const int64_t at_once = kStride == 2 && dilation == 1 ? 2 : 1;
    for (int64_t tap = 0; tap < kernel; tap += at_once, x += at_once * dilation) {
      const Pair both = cells_at(x, tap);
      if constexpr (kStride == 1) {
        take(both.low, tap);
        continue;
      }
      take(every_second<0>(both.low, both.high, lanes), tap);
      if (at_once == 2 && tap + 1 < kernel) {
        take(every_second<1>(both.low, both.high, lanes), tap + 1);
      }
    }
    return best;
  }

  template <bool kClean, bool kEdge>
  inline Pair cells(const S* from, const uint64_t* bits, Seen<S, T>& seen) const {
    const auto some = [&](const S* at, uint64_t inside) {
      if constexpr (kEdge) return load_some<S, T>(at, inside, low_, readable_);
      return load_cells<S, T>(at);
    };
    if constexpr (kStride == 1) {
      const Vec<T> one = some(from, bits[0]);
      if constexpr (kClean) seen.look(one);
      return {one, one};
    } else {
      const Pair both{some(from, bits[0]), some(from + L, bits[1])};
      if constexpr (kClean) seen.look(both.low, both.high);
      return both;
    }
  }

  const Work& work_;
  const Forward& plan_;
  const int last_;
  const Axis along_;
  const T low_;
  const bool around_;  // the cache
  Stream out_, winners_out_;
  bool in_order_ = true;
  int64_t begin_[kMostAxes], count_[kMostAxes];  // outputs of the tile
  int64_t start_ = 0;                            // the first window's first cell in its row
  int64_t new_rows_ = 1;                   // of the input, from one row of windows to the next
  int64_t ahead_;                          // cells, of ask_ahead
  int64_t ahead_cells_, ahead_row_;        // there, cells for an output and bytes to the next
  Edge<T> edges_[kMostEdges + 1];          // the last is nowhere
  Edge<T> cut_edges_[kMostEdges + 1];      // those of them where windows reach out of the row
  const Edge<T>* edge_ = nullptr;          // the first that counts in the row at hand
  bool readable_ = false;                  // the rows at hand, as whole vectors
  bool look_at_all_ = false;               // cells of a window: the ends would not do
  int64_t count_rows_ = 1;                 // how many there are
  int64_t x_row_ = 0, y_row_ = 0;          // from one to the next
  int64_t y_end_ = 0;                      // of all outputs to be written, if they have no gaps
  int64_t lo_[kMostAxes], hi_[kMostAxes];  // taps inside the input, of the row at hand
  int64_t rows_ = 0, offset_[kMostRows], add_[kMostRows];  // of its windows; 0: not yet listed
  int64_t first_offset_ = 0, last_offset_ = 0;
  int64_t ask_ = 0, ask_plane_ = 0;  // how far ahead, from a window; in its second plane, if any
  decltype(Pairs::numbers(0)) numbers_[kMostRows];
  bool signed_zeros_ = false;  // -0.0 was seen
};

// Halves, as integers where they are in order.
template <class S, int kStride>
class DirectHalves {
 public:
  DirectHalves(const Work& work, const Forward& plan, int64_t end)
      : integers_(work, plan, end), floats_(work, plan, end) {}

  void look_at(const Walk& walk) {
    integers_.look_at(walk);
    floats_.look_at(walk);
  }
  void write(const Walk& walk) {
    if (integers_.write(walk)) return;
    integers_.finish();
    floats_.write(walk);
  }

 private:
  Direct<S, int16_t, kStride> integers_;
  Direct<S, float, kStride> floats_;
};

template <class Way>
void write_directly(const Work& work, const Forward& plan, int64_t begin, int64_t end) {
  Way way(work, plan, end);
  write_all(way, work, plan, begin, end);
}

template <class S, class T>
int64_t direct(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  work.axis[work.axes - 1].stride == 1 ? write_directly<Direct<S, T, 1>>(work, plan, begin, end)
                                       : write_directly<Direct<S, T, 2>>(work, plan, begin, end);
  return 0;
}

template <class S>
int64_t direct_halves(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  work.axis[work.axes - 1].stride == 1 ? write_directly<DirectHalves<S, 1>>(work, plan, begin, end)
                                       : write_directly<DirectHalves<S, 2>>(work, plan, begin, end);
  return 0;
}

#endif

}  // namespace
}  // namespace ndpool
