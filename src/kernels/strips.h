// Small square windows, one apart, over wide rows, straight from the user's array. What is best of
// the neighbours within a row serves all the windows below each other that have them: so some rows
// of outputs are made at a time, a vector of each.
#pragma once

#include "direct.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

// kSize: cells of a window along the last two axes. T: what the elements S are computed with.
template <class S, class T, int kSize>
class Strips {
 public:
  Strips(const Work& work, const Forward& plan)
      : work_(work),
        plan_(plan),
        down_(work.axis[work.axes - 2]),
        along_(work.axis[work.axes - 1]) {
    edges_.list(along_);
    exact_edges_.list(along_);
  }

  void look_at(const Walk&) const {}

  void write(const Walk& walk) const {
    const int64_t tile = plan_.cut[0].tile, begin = walk.tile[0] * tile;
    const int64_t at = walk.y + begin * down_.y_step;
    write_rows(static_cast<const S*>(work_.source) + walk.x, static_cast<S*>(work_.result) + at,
               shifted(static_cast<uint8_t*>(work_.winners), at), begin,
               least(begin + tile, down_.out));
  }

  // Rows of outputs from `begin` on, of the plane that begins at x, the first of them at y.
  void write_rows(const S* x, S* y, uint8_t* winners, int64_t begin, int64_t end) const {
    int64_t o = begin;
    const auto next = [&](auto count) {
      rows<count()>(x, y, winners, o);
      o += count();
      y += count() * down_.y_step;
      winners = shifted(winners, count() * down_.y_step);
    };
    while (o + kAtOnce <= end) next(std::integral_constant<int, kAtOnce>{});
    while (o < end) next(std::integral_constant<int, 1>{});
  }

 private:
  static constexpr int kAtOnce = kSize <= 3 ? 4 : 2;  // rows of outputs
  // With care for NaN; halves that are not in order as T are computed as floats.
  using Exact = std::conditional_t<std::is_same_v<S, T>, T, float>;

  // The vectors of a row, and the first and the last of them, where some cells are not inside.
  template <class C>
  struct Edges {
    static constexpr int64_t L = kLanes<C>;
    struct Edge {
      int64_t at;  // the first output
      uint64_t store, load[kSize];
      Winner<C> first[L];  // the first cell inside
    };
    Edge left, right;
    bool masked_left;

    void list(const Axis& along) {
      masked_left = along.before > 0 || along.out < L;
      list(left, along, 0);
      list(right, along, most(0, along.out - L));
    }
    static void list(Edge& edge, const Axis& along, int64_t at) {
      edge.at = at;
      edge.store = bits_between(0, along.out - at);
      const int64_t start = at - along.before;
      for (int64_t t = 0; t < kSize; ++t) {
        edge.load[t] = bits_between(-start - t, along.n - start - t);
      }
      for (int64_t lane = 0; lane < L; ++lane) {
        edge.first[lane] = static_cast<Winner<C>>(most(0, -start - lane));
      }
    }
  };

  template <int kRows>
  void rows(const S* x, S* y, uint8_t* winners, int64_t o) const {
    const int64_t start = o - down_.before;
    const bool whole = start >= 0 && start + kRows + kSize - 1 <= down_.n;
    x += start * down_.x_step;
    const auto line = [&](int64_t i) { return x + (i - start) * down_.x_step; };  // of the input
    readable_ = work_.cells_of_source.has_rows(
        line(most(0, start)), line(least(down_.n, start + kRows + kSize - 1) - 1), -along_.before,
        edges_.right.at - along_.before + kLanes<T> + kSize - 1);
    const auto go = [&](auto has_winners) {
      constexpr bool kWinners = has_winners(), kMany = kRows > 1;  // one row is seldom
      if (whole && kMany ? row<T, true, kWinners, kMany, kRows>(edges_, x, y, winners, start)
                         : row<T, true, kWinners, false, kRows>(edges_, x, y, winners, start)) {
        return;
      }
      if constexpr (!std::is_integral_v<S>) {
        for (int r = 0; r < kRows; ++r) {
          row<Exact, false, kWinners, false, 1>(exact_edges_, x + r * down_.x_step,
                                                y + r * down_.y_step,
                                                shifted(winners, r * down_.y_step), start + r);
        }
      }
    };
    winners ? go(std::true_type{}) : go(std::false_type{});
  }

  // False where all has to be exact.
  template <class C, bool kClean, bool kWinners, bool kWhole, int kRows>
  bool row(const Edges<C>& edges, const S* x, S* y, uint8_t* winners, int64_t start) const {
    Seen<S, C> seen;
    const auto at = [&](int64_t o, const auto* edge, auto masked) __attribute__((always_inline)) {
      block<C, kClean, kWinners, kWhole, masked(), kRows>(x + o - along_.before, y + o,
                                                          shifted(winners, o), start, edge, seen);
    };
    constexpr std::true_type yes;
    constexpr std::false_type no;
    int64_t o = 0;
    if (edges.masked_left) {
      at(0, &edges.left, yes);
      o = Edges<C>::L;
    }
    for (; o < edges.right.at; o += Edges<C>::L) at(o, &edges.left, no);
    if (o < along_.out) at(edges.right.at, &edges.right, yes);  // once more some of those before
    return !kClean || !seen;
  }

  template <class C, bool kClean, bool kWinners, bool kWhole, bool kMasked, int kRows>
  inline void block(const S* x, S* y, uint8_t* winners, int64_t start,
                    const typename Edges<C>::Edge* edge, Seen<S, C>& seen) const {
    constexpr int kLines = kRows + kSize - 1;
    const auto inside = [&](int r) { return kWhole || (start + r >= 0 && start + r < down_.n); };
    Best<C> line[kLines] = {};  // of each row of the input
    for (int r = 0; r < kLines; ++r) {
      if (!inside(r)) continue;
      const S* from = x + r * down_.x_step;
      const auto cells = [&](int t) {
        if constexpr (kMasked)
          return load_some<S, C>(from + t, edge->load[t], lowest<S, C>(), readable_);
        return load_cells<S, C>(from + t);
      };
      Vec<C> cell[kSize];
      for (int t = 0; t < kSize; ++t) cell[t] = cells(t);
      if constexpr (kClean) {
        for (int t = 0; t < kSize; t += 2) seen.look(cell[t], cell[t + 1 < kSize ? t + 1 : t]);
      }
      line[r] = Best<C>{cell[0], {}};
      if constexpr (kWinners && kMasked) line[r].winner = load(edge->first);
      for (int t = 1; t < kSize; ++t) {
        fold_in<kClean, kWinners, C>(line[r], cell[t], broadcast(static_cast<Winner<C>>(t)));
      }
    }
    const S* next = x + kLines * down_.x_step;
    for (int i = 0; i < kRows; ++i) {
      prefetch<false>(address(next + i * down_.x_step));
      Best<C> best{};
      bool any = false;
      for (int k = 0; k < kSize; ++k) {
        if (!inside(i + k)) continue;
        const Best<C>& below = line[i + k];
        const auto winner = below.winner + broadcast(static_cast<Winner<C>>(k * kSize));
        if (any) {
          fold_in<kClean, kWinners, C>(best, below.value, winner);
        } else {
          best = Best<C>{below.value, winner};
        }
        any = true;
      }
      const uint64_t bits = kMasked ? edge->store : ~uint64_t{0};
      put_cells<S, C>(y + i * down_.y_step, best.value, bits);
      if constexpr (kWinners) store_bytes<C>(winners + i * down_.y_step, best.winner, bits);
    }
  }

  const Work& work_;
  const Forward& plan_;
  const Axis down_, along_;
  mutable bool readable_ = false;  // the rows at hand, as whole vectors
  Edges<T> edges_;
  Edges<Exact> exact_edges_;
};

template <class S, class T>
int64_t strips(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  return work.axis[0].kernel == 2 ? write_all<Strips<S, T, 2>>(work, plan, begin, end)
                                  : write_all<Strips<S, T, 3>>(work, plan, begin, end);
}

}  // namespace
}  // namespace ndpool

#endif
