// Backward of windows of 3x3 or 2x2 cells, two apart along the last two axes, straight from the
// user's arrays. The cells of dx go two by two. Of four of them one is in four windows of 3x3
// cells, two are in two, one is in one; and four neighbouring outputs, two by two as well, have all
// that they ask for.
#pragma once

#include "asked.h"
#include "direct.h"
#include "stream.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

// Two outputs that are neighbours along the last axis, for as many of them as there are lanes.
template <class T>
struct PairOutputs {
  Vec<T> left, right;
  typename Lanes<T>::Bytes left_won, right_won;
};

// Four cells of dx, two by two: those of a row.
template <class T>
struct PairSums {
  Vec<T> first{}, second{};

  // Adds those of a row of outputs whose windows have these cells in a row of their own.
  // kEven: where windows have three cells, the first of each pair is in both of them, else the
  // second. kNew: there is nothing yet to add to.
  template <int kKernel, bool kEven, bool kNew>
  __attribute__((always_inline)) inline void add(const PairOutputs<T>& of, const Lanes<T>* tap) {
    constexpr std::bool_constant<kNew> is_new;
    constexpr std::false_type is_more;
    const auto left = [&](int t, Vec<T>& sum, auto none) __attribute__((always_inline)) {
      sum = sum_of(tap[t], of.left_won, of.left, sum, none);
    };
    const auto right = [&](int t, Vec<T>& sum, auto none) __attribute__((always_inline)) {
      sum = sum_of(tap[t], of.right_won, of.right, sum, none);
    };
    if constexpr (kEven && kKernel == 3) {
      left(2, first, is_new);
      right(0, first, is_more);
      right(1, second, is_new);
    } else if constexpr (kEven) {
      right(0, first, is_new);
      right(1, second, is_new);
    } else {
      left(1, first, is_new);
      left(2, second, is_new);
      right(0, second, is_more);
    }
  }

 private:
  template <bool kNew>
  __attribute__((always_inline)) static inline Vec<T> sum_of(const Lanes<T>& tap,
                                                             typename Lanes<T>::Bytes won,
                                                             Vec<T> values, Vec<T> sum,
                                                             std::bool_constant<kNew>) {
    if constexpr (kNew) return (Vec<T>)tap.only_where_equal(won, values);
    return (Vec<T>)tap.add_where_equal(won, values, sum);
  }
};

// What the outputs above and below give to the four cells, in order.
template <int kKernel, bool kEven, bool kNew, class T>
__attribute__((always_inline)) inline void add_pairs(PairSums<T> (&sums)[2],
                                                     const PairOutputs<T>& high,
                                                     const PairOutputs<T>& low,
                                                     const Lanes<T>* tap) {
  const auto add = [&](PairSums<T>& to, const PairOutputs<T>& of, int row, auto is_new)
                       __attribute__((always_inline)) {
                         to.template add<kKernel, kEven, is_new()>(of, tap + kKernel * row);
                       };
  constexpr std::bool_constant<kNew> is_new;
  constexpr std::false_type is_more;
  if constexpr (kKernel == 2) {
    add(sums[0], low, 0, is_new);
    add(sums[1], low, 1, is_new);
  } else if constexpr (kEven) {
    add(sums[0], high, 2, is_new);
    add(sums[0], low, 0, is_more);
    add(sums[1], low, 1, is_new);
  } else {
    add(sums[0], high, 1, is_new);
    add(sums[1], high, 2, is_new);
    add(sums[1], low, 0, is_more);
  }
}

template <class S, class T>
class Pairs {
 public:
  Pairs(const Work& work, const Backward& plan, char*& scratch)
      : tiles_(work.axes == 2 ? plan.cut[0].tiles : 1),
        down_(work.axis[work.axes - 2]),
        along_(work.axis[work.axes - 1]),
        upper_((down_.before + 1) / 2 - 1),
        left_((along_.before + 1) / 2 - 1),
        weight_(work.axes > 2 ? work.axis[work.axes - 3].kernel : 1),
        kernel_(along_.kernel),
        one_(work.axes == 2),
        planes_(work, plan, work.axes - 2, scratch),
        cells_of_dy_(work.cells_of_source),
        cells_of_winners_(work.cells_of_winners),
        out_(work.past_cache && down_.x_step == along_.n && along_.n >= kWideEnough) {
    last_ = masks(most(0, pairs(along_) - L));
    int64_t outputs = 1;
    bool dense = left_ >= 0 && left_ + pairs(along_) <= along_.out && kernel_ == 3;
    for (int a = work.axes - 1; a >= 0; --a) {
      dense &= work.axis[a].y_step == outputs;
      outputs *= work.axis[a].out;
    }
    for (int i = work.outers - 1; i >= 0; --i) {
      dense &= work.outer[i].y_step == outputs;
      outputs *= work.outer[i].n;
    }
    if (dense) dy_end_ = reinterpret_cast<const S*>(cells_of_dy_.end);
    whole_ = left_ < 0 && kernel_ == 3 ? L : 0;
    for (int t = 0; t < 9; ++t) tap_[t] = Lanes<T>(t);
  }

  void write(const Walk& walk) {
    planes_.each(walk, [this, &walk](S* dx, const S* dy, const uint8_t* winners, const Asked* asked,
                                     int64_t count, const Asked* further, int64_t further_count) {
      const auto [begin, end] = share_of(pairs(down_), tiles_, tiles_ > 1 ? walk.tile[0] : 0);
      Asked planes[kMostAsked];
      int64_t found = 0;
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t k = 0; k < further_count; ++k) {
          planes[found++] = {asked[i].y + further[k].y, asked[i].winner + further[k].winner,
                             kernel_ * kernel_ * (asked[i].tap * weight_ + further[k].tap)};
        }
      }
      const auto go = [&](auto kernel, auto even) {
        one_ ? write_pairs<kernel(), even(), true>(dx, dy, winners, planes, found, begin, end)
             : write_pairs<kernel(), even(), false>(dx, dy, winners, planes, found, begin, end);
      };
      constexpr std::integral_constant<int, 2> two;
      constexpr std::integral_constant<int, 3> three;
      if (kernel_ == 2) return go(two, std::true_type{});
      if constexpr (!kAsBits<S, T>) {
        along_.before % 2 == 0 ? go(three, std::true_type{}) : go(three, std::false_type{});
      }
    });
  }

 private:
  static constexpr int64_t L = kLanes<T>;
  static constexpr int64_t kWideEnough = 32;          // cells of a row, to go around the cache
  static constexpr bool kBlends = kVectorBytes < 64;  // sooner than to leave lanes out
  // Vectors of a row at most, to keep outputs for the next one: halves gain longest.
  static constexpr int64_t kFew = sizeof(S) < sizeof(T) ? 4 : 2;

  // A vector of pairs along the last axis, from the pair `at` on: which of their left outputs there
  // are, and which of the right ones.
  struct Masks {
    int64_t at;
    uint64_t left, right;
  };
  Masks masks(int64_t at) const {
    const int64_t begin = -left_ - at, end = begin + along_.out;
    return {at, bits_between(begin, end), bits_between(begin - 1, end - 1)};
  }

  // Those outputs, and their winners counted from the plane's first.
  using Outputs = PairOutputs<T>;
  // kLeft: the left ones are asked for. readable: so are all, but what they won does not count.
  template <bool kMasked, bool kLeft>
  __attribute__((always_inline)) static inline Outputs outputs(const S* dy, const uint8_t* winners,
                                                               uint64_t left, uint64_t right,
                                                               uint8_t first, bool readable) {
    const auto values = [readable](const S* from, uint64_t bits) {
      if constexpr (kMasked) {
        if (!readable) return some_summands(from, bits);
      }
      return load_summands<S, T>(from);
    };
    const auto won = [first, readable](const uint8_t* from, uint64_t bits) {
      if constexpr (kMasked) {
#if !defined(NDPOOL_AVX512)
        if (readable) return (Lanes<T>::bytes(from) - first) | ~Lanes<T>::among(bits);
#endif
        return Lanes<T>::bytes(from, bits) - first;
      }
      return Lanes<T>::bytes(from) - first;
    };
    Outputs of{};
    if constexpr (kLeft) of.left = values(dy, left), of.left_won = won(winners, left);
    of.right = values(dy + 1, right);
    of.right_won = won(winners + 1, right);
    return of;
  }

  static inline Vec<T> some_summands(const S* from, uint64_t bits) {
    if constexpr (kAsBits<S, T>) {
      return as_sum<S, T>(load_some<T, T>(reinterpret_cast<const T*>(from), bits, T{}));
#if defined(NDPOOL_AVX512)
    } else if constexpr (std::is_same_v<S, Half> && std::is_same_v<T, float>) {
      const auto some = static_cast<__mmask16>(bits);
      return _mm512_maskz_cvtph_ps(0xffff, _mm256_maskz_loadu_epi16(some, from));
#endif
    } else {
      return load_some<S, T>(from, bits, T{});
    }
  }

  static int64_t pairs(const Axis& along) { return (along.n + 1) / 2; }

  // Asks for what comes after these outputs and the cells of their two rows.
  __attribute__((always_inline)) inline void ask_ahead(const S* dx, const S* dy,
                                                       const uint8_t* winners) const {
    if (!out_) {
      constexpr int64_t kBytes = 4 * L * int64_t{sizeof(S)};
      for (int64_t i = 0; i < kBytes; i += kLineOfCache) {
        prefetch<true>(address(dx) + kAheadOfDx + i);
      }
    }
    prefetch<false>(address(dy) + kAhead);
    prefetch<false>(address(winners) + kAhead);
  }

  // Rows of pairs that are alike, of so few vectors each that the outputs below one row, which are
  // those above the next, stay where they are.
  template <bool kEven, int... kVector>
  void write_few(S* dx, const S* above, const uint8_t* above_won, int64_t rows,
                 std::integer_sequence<int, kVector...>) {
    constexpr int kVectors = sizeof...(kVector);
    const auto at = [this](int v) { return v + 1 < kVectors ? v * L : last_.at; };
    const auto of = [&](int v) __attribute__((always_inline)) {
      return outputs<false, true>(above + at(v), above_won + at(v), 0, 0, 0, true);
    };
    Outputs high[kVectors] = {of(kVector)...};
    for (; rows > 0; --rows, dx += 2 * down_.x_step) {
      S* to = out_.at(dx, 2 * along_.n);
      (ask_ahead(to + 4 * at(kVector), above + at(kVector), above_won + at(kVector)), ...);
      above += down_.y_step;
      above_won += down_.winner_step;
      const auto vector = [&](int v) __attribute__((always_inline)) {
        const Outputs low = of(v);
        PairSums<T> sums[2];
        add_pairs<3, kEven, true>(sums, high[v], low, tap_);
        high[v] = low;
        S* first = to + 2 * at(v);
        store_sums<S, T>(first, 2 * L, sums[0].first, sums[0].second);
        store_sums<S, T>(first + down_.x_step, 2 * L, sums[1].first, sums[1].second);
      };
      (vector(kVector), ...);
    }
  }

  // Of as many vectors as a row has, at most kFew.
  template <bool kEven>
  void write_few(S* dx, const S* above, const uint8_t* above_won, int64_t rows) {
    const auto go = [&](auto vectors) { write_few<kEven>(dx, above, above_won, rows, vectors); };
    if (last_.at == 0) return go(std::make_integer_sequence<int, 1>{});
    if (last_.at <= L) return go(std::make_integer_sequence<int, 2>{});
    if constexpr (kFew > 2) {
      last_.at <= 2 * L ? go(std::make_integer_sequence<int, 3>{})
                        : go(std::make_integer_sequence<int, 4>{});
    }
  }

  // kOne: there is one plane only, and the winners have all numbers from 0 on.
  template <int kKernel, bool kEven, bool kOne>
  void write_pairs(S* dx, const S* dy, const uint8_t* winners, const Asked* planes, int64_t count,
                   int64_t begin, int64_t end) {
    const int64_t n = along_.n, last = last_.at;
    const S* dx_end = dx + least(2 * end, down_.n) * down_.x_step;
    Asked nearest{}, farthest{};  // of the planes
    for (int64_t p = 0; !kOne && p < count; ++p) {
      const Asked& plane = planes[p];
      nearest = {least(nearest.y, plane.y), least(nearest.winner, plane.winner), 0};
      farthest = {most(farthest.y, plane.y), most(farthest.winner, plane.winner), 0};
    }
    const S* above = dy + (begin + upper_) * down_.y_step + left_;
    const uint8_t* above_won = winners + (begin + upper_) * down_.winner_step + left_;
    const int64_t beyond = 2 * (last + L);
    const bool ever_free = dy_end_ && (last == 0 || beyond <= n);
    const auto inside = [this](int64_t pair) {
      return (kKernel == 2 || pair + upper_ >= 0) && pair + upper_ + 1 < down_.out;
    };
    // Whether the last vector may go beyond the row's end: what is read there, the last right
    // output, begins the next row, in padding on its left, and won no cell of this one; what is
    // written there is written again.
    const auto is_free = [&](int64_t pair) {
      const S* from = dy + (pair + upper_ + 1) * down_.y_step + left_;
      const S* row = dx + (2 * pair + 1) * down_.x_step;
      return ever_free && 2 * pair + 1 < down_.n && from + farthest.y + last + L < dy_end_ &&
             row + beyond <= dx_end;
    };
    // Once rows of pairs are inside, and free if any is, so are the next ones up to here.
    int64_t alike = end;
    const auto differs = [&](int64_t pair) {
      return !inside(pair) || 2 * pair + 1 >= down_.n || (ever_free && !is_free(pair));
    };
    while (alike > begin && differs(alike - 1)) --alike;
    for (int64_t pair = begin; pair < end;) {
      const int64_t upper = pair + upper_;
      const bool has_upper = upper >= 0 && upper < down_.out;
      const bool has_lower = upper + 1 >= 0 && upper + 1 < down_.out;
      const bool two = 2 * pair + 1 < down_.n, all_there = inside(pair), free = is_free(pair);
      S* place = dx + 2 * pair * down_.x_step;
      const bool readable =
          kBlends &&
          cells_of_dy_.has_rows(above, above + down_.y_step, nearest.y,
                                farthest.y + last + L + 1) &&
          cells_of_winners_.has(above_won + nearest.winner,
                                above_won + farthest.winner + down_.winner_step + last + L + 1);
      // Then what is written beyond a row's end is written again, if the last vector comes first.
      const bool last_first =
          readable && !free && two && down_.x_step == n && place + down_.x_step + beyond <= dx_end;
      const bool as_next = all_there && free == ever_free && (!kBlends || (readable && free));
      const int64_t until = as_next && pair < alike ? alike : pair + 1;
      if constexpr (kKernel == 3 && kOne) {
        if (as_next && free && last <= (kFew - 1) * L && whole_ == 0) {
          const int64_t rows = until - pair;
          write_few<kEven>(place, above, above_won, rows);
          above += rows * down_.y_step;
          above_won += rows * down_.winner_step;
          pair = until;
          continue;
        }
      }
      for (; pair < until; ++pair) {
        S* to = out_.at(place, two ? 2 * n : n);
        S* next = two ? to + down_.x_step : nullptr;
        const auto block = [&](const Masks& masks, auto masked,
                               int64_t cells) __attribute__((always_inline)) {
          constexpr bool kMasked = masked(), kLeft = kKernel == 3;
          ask_ahead(to + 4 * masks.at, above + masks.at, above_won + masks.at);
          PairSums<T> sums[2];
          for (int64_t p = 0; p < (kOne ? 1 : count); ++p) {
            const S* y = above + masks.at + (kOne ? 0 : planes[p].y);
            const uint8_t* won = above_won + masks.at + (kOne ? 0 : planes[p].winner);
            const auto from = static_cast<uint8_t>(kOne ? 0 : planes[p].tap);
            const Outputs low = outputs<kMasked, kLeft>(
                y + down_.y_step, won + down_.winner_step, has_lower ? masks.left : 0,
                has_lower ? masks.right : 0, from, readable);
            Outputs high{};
            if constexpr (kKernel == 3) {
              high = outputs<kMasked, kLeft>(y, won, has_upper ? masks.left : 0,
                                             has_upper ? masks.right : 0, from, readable);
            }
            add_pairs<kKernel, kEven, kOne>(sums, high, low, tap_);
          }
          store_sums<S, T>(to + 2 * masks.at, cells, sums[0].first, sums[0].second);
          if (next) store_sums<S, T>(next + 2 * masks.at, cells, sums[1].first, sums[1].second);
        };
        if (last_first) block(last_, std::true_type{}, 2 * L);
        for (int64_t at = 0;; at = least(at + L, last)) {
          if (at == last && last_first) break;
          if (all_there && at >= whole_ && (at < last || free)) {
            block({at, 0, 0}, std::false_type{}, 2 * L);
          } else {
            block(at == last ? last_ : masks(at), std::true_type{}, n - 2 * at);
          }
          if (at == last) break;  // what came once more some of those before
        }
        above += down_.y_step;
        above_won += down_.winner_step;
        place += 2 * down_.x_step;
      }
    }
  }

  const int64_t tiles_;  // bands of rows
  const Axis down_, along_;
  const int64_t upper_, left_;  // the outputs that the first pair along each axis begins with
  const int64_t weight_;        // of an output along the axis before the next to last
  const int64_t kernel_;        // of both axes
  const bool one_;              // there are no other axes
  const AskedRows<S> planes_;   // along the other axes
  const Extent cells_of_dy_, cells_of_winners_;
  const S* dy_end_ = nullptr;  // of all outputs, where they lie side by side
  Stream out_;
  Masks last_;       // of the last vector of pairs
  int64_t whole_;    // from this pair on, all outputs before the last vector's are there
  Lanes<T> tap_[9];  // each cell of a window: in memory, sooner read than made again
};

template <class S, class T>
int64_t in_pairs(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                 int64_t end) {
  char* free = static_cast<char*>(scratch);
  Pairs<S, T> pairs(work, plan, free);
  return write_checked(work, plan, begin, end,
                       [&](const Walk& walk, const WinnerCheck&, int64_t) { pairs.write(walk); });
}

template <class S>
int64_t halves_in_pairs(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                        int64_t end) {
  const bool sums = work.axes > 2 || work.axis[work.axes - 1].kernel > 2;  // windows overlap
  return (sums ? in_pairs<S, float> : in_pairs<S, uint16_t>)(work, plan, scratch, begin, end);
}

}  // namespace
}  // namespace ndpool

#endif
