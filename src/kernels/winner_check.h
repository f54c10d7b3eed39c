// Winners of the backward pass: from offsets in the window to cells, and whether they are any.
#pragma once

#include "tiles.h"

namespace ndpool {
namespace {

// The tap along axis a of the window cell at this offset.
inline int64_t tap_along(const Work& work, const Backward& plan, int a, uint64_t offset) {
  if (plan.tap_of[a]) return plan.tap_of[a][offset];
  for (int i = work.axes - 1; i > a; --i) offset /= static_cast<uint64_t>(work.axis[i].kernel);
  return static_cast<int64_t>(offset % static_cast<uint64_t>(work.axis[a].kernel));
}

// The taps of winners along the axes, for as many windows at once as there are lanes. `kSplit`: the
// axes that are divided by; or -1, for any.
template <class W, int kSplit>
class CellFinder {
 public:
  CellFinder(const Work& work, const Windows& windows) : windows_(windows) {
    for (int a = work.axes - 1; a > 0; --a) {
      const auto size = static_cast<uint16_t>(work.axis[a].kernel);
      if (size == 1) continue;
      // one byte by a divisor of up to 256, exactly; of two bytes the quotient can be one too much
      inverse_[split_] = broadcast(static_cast<uint16_t>((65535 + size) / size));
      kernel_[split_] = broadcast(size);
      axis_[split_++] = a;
    }
  }

  // For the windows from i on in each of some outer cells. The winners of these lie `count` from
  // each other; their cells are `apart`.
  template <bool kAll>
  void find(const W* winners, int64_t i, int64_t count, int64_t outer_cells, uint16_t apart,
            uint16_t* target) {
    Vec<uint16_t> begin = load(windows_.begin + i), all[kTogether];
    const auto of = [&](int64_t u) {
      const auto found = cells(winners_of(winners + u * count + i, count), i, begin);
      begin += broadcast(apart);
      return found;
    };
    if constexpr (kAll) {
      for (int u = 0; u < kTogether; ++u) all[u] = of(u);
      store_lane_by_lane(target + i * kTogether, all);
    } else {
      for (int64_t u = 0; u < outer_cells; ++u) store(target + u * count + i, of(u));
    }
  }

  bool wrong() const { return any(wrong_); }

  static constexpr int L = kLanes<uint16_t>;

 private:
  static inline Vec<uint16_t> winners_of(const W* from, int64_t count) {
    if constexpr (sizeof(W) == 1) {  // what is said of windows beyond is zero as well
      return count >= L ? widen_bytes(from) : widen_some<uint16_t>(from, count);
    } else {
      if (count >= L) return load(from);
      uint16_t few[L] = {};
      for (int64_t lane = 0; lane < count; ++lane) few[lane] = from[lane];
      return load(few);
    }
  }

  inline Vec<uint16_t> cells(Vec<uint16_t> rest, int64_t i, Vec<uint16_t> cell) {
    const auto add = [&](int a, Vec<uint16_t> tap) {
      wrong_ |= (Vec<uint16_t>)(tap - load(windows_.first[a] + i) > load(windows_.more[a] + i));
      cell += tap * broadcast(windows_.step[a]);
    };
    for (int s = 0; s < (kSplit < 0 ? split_ : kSplit); ++s) {
      Vec<uint16_t> quotient = high_product(rest, inverse_[s]), tap = rest - quotient * kernel_[s];
      if constexpr (sizeof(W) == 2) {
        const auto over = (Vec<uint16_t>)((Vec<int16_t>)tap < Vec<int16_t>{});  // -1 or 0
        quotient += over;
        tap += over & kernel_[s];
      }
      add(axis_[s], tap);
      rest = quotient;
    }
    add(0, rest);
    return cell;
  }

  const Windows& windows_;
  int split_ = 0;
  Vec<uint16_t> inverse_[kMostAxes], kernel_[kMostAxes], wrong_{};
  int axis_[kMostAxes];
};

// From the winners of some outer cells, which follow each other from `from` on with `count` each,
// to the cells they are, in `target`, which has room for a vector more, and for a vector of each
// outer cell: these are `apart` from each other. Those of kTogether outer cells lie window by
// window, of fewer outer cell by outer cell. False if any is no cell of its window inside the
// input.
inline bool find_cells(const Work& work, const Windows& windows, const void* winners, int64_t from,
                       int64_t count, int64_t outer_cells, uint16_t apart, uint16_t* target) {
  const auto find = [&](const auto* all, auto split) {
    CellFinder<std::decay_t<decltype(*all)>, split()> finder(work, windows);
    const auto look = [&](int64_t at) {
      if (outer_cells == kTogether) {
        finder.template find<true>(all + from, at, count, outer_cells, apart, target);
      } else {
        finder.template find<false>(all + from, at, count, outer_cells, apart, target);
      }
    };
    int64_t i = 0;
    for (; i + finder.L <= count; i += finder.L) look(i);
    if (i < count) look(most(0, count - finder.L));  // once more some of those before
    return !finder.wrong();
  };
  int split = 0;
  for (int a = 1; a < work.axes; ++a) split += work.axis[a].kernel > 1;
  const auto find_split = [&](const auto* all) {
    switch (split) {
      case 0: return find(all, std::integral_constant<int, 0>{});
      case 1: return find(all, std::integral_constant<int, 1>{});
      case 2: return find(all, std::integral_constant<int, 2>{});
      default: return find(all, std::integral_constant<int, -1>{});
    }
  };
  if (work.winner_bytes == 1) return find_split(static_cast<const uint8_t*>(winners));
  return find_split(static_cast<const uint16_t*>(winners));
}

// Is the bit that each winner counts set in those beside it, and in `too`?
inline bool all_allowed(const uint8_t* winners, const uint32_t* allowed, int64_t count,
                        uint32_t too) {
  constexpr int L = kLanes<uint32_t>;
  Vec<uint32_t> all = broadcast(uint32_t{1});
  const auto look = [&](int64_t i) {
    all &= shifted_right(load(allowed + i) & broadcast(too), widen_winners<uint32_t>(winners + i));
  };
  int64_t i = 0;
  for (; i + L <= count; i += L) look(i);
  if (i < count) {
    if (count >= L) {
      look(count - L);
    } else {
      for (; i < count; ++i) all[0] &= winners[i] < 32 ? (allowed[i] & too) >> winners[i] : 0;
    }
  }
  uint32_t fine = 1;
  for (int lane = 0; lane < L; ++lane) fine &= all[lane];
  return fine != 0;
}

// Does each winner, a cell of windows of so many, lie beyond none of the edges that its window
// reaches over: those beside it, and `too`?
inline bool all_inside(const uint8_t* winners, const Edges& edges, int64_t count, uint8_t too,
                       int64_t cells) {
  const uint8_t* reached = edges.of_output;
#if defined(__AVX2__)
  constexpr int L = kVectorBytes;
  const auto all_by = [&](const auto& beyond) {
    Vec<uint8_t> wrong{}, most{};
    const auto look = [&](Vec<uint8_t> winner, Vec<uint8_t> edge) {
      most = greater<uint8_t>(winner, most);
      return beyond(winner) & (edge | broadcast(too));
    };
    const auto look_at = [&](int64_t i) { wrong |= look(load(winners + i), load(reached + i)); };
    if (count >= L) {
      for (int64_t i = 0; i + L < count; i += L) look_at(i);
      look_at(count - L);  // once more some of those before
    } else {
      const uint64_t bits = bits_between(0, count);
      const auto some = [bits](const uint8_t* from) { return load_masked(from, bits, uint8_t{0}); };
      wrong = select(bits, look(some(winners), some(reached)), wrong);
    }
    wrong |= (Vec<uint8_t>)(most >= broadcast(static_cast<uint8_t>(cells)));
    return !any(wrong);
  };
  const ByteTable low(edges.beyond), high(edges.beyond + 16);
  if (cells <= 16) return all_by([&](Vec<uint8_t> winner) { return low[winner]; });
  // From 16 on the sum has the highest bit, and below it the difference has.
  return all_by([&](Vec<uint8_t> winner) { return low[winner + 0x70] | high[winner - 16]; });
#else
  bool wrong = false;
  for (int64_t i = 0; i < count; ++i) {
    wrong |= winners[i] >= cells || (edges.beyond[winners[i]] & (reached[i] | too));
  }
  return !wrong;
#endif
}

class WinnerCheck {
 public:
  WinnerCheck(const Work& work, const Backward& plan) : work_(work), plan_(plan) {
    one_run_ = plan.inner_tiles == 1;
    run_ = work.inner;
    for (int a = work.axes - 1; a >= 0; --a) {
      one_run_ &= plan.cut[a].tiles == 1 && work.axis[a].winner_step == run_;
      run_ *= work.axis[a].out;
    }
  }

  void look_at(const Walk& walk) {
    any_border_ = !plan_.listed;
    for (int a = 0; a < work_.axes; ++a) {
      const Axis& along = work_.axis[a];
      const auto [begin, end] = share_of(along.out, plan_.cut[a].tiles, walk.tile[a]);
      begin_[a] = begin, end_[a] = end;
      left_[a] = most(begin_[a], least(end_[a], plan_.inside_from[a]));
      right_[a] = most(left_[a], least(end_[a], plan_.inside_to[a]));
      any_border_ |= left_[a] > begin_[a] || right_[a] < end_[a];
    }
  }

  // Is every winner a cell of its window inside the input? The tiles share the outputs out between
  // them; windows that lie inside as a whole need no look at single winners. 0, or 1 + the place in
  // the winners of one that is not. Where cells are found, they go to `target`.
  int64_t operator()(const Walk& walk, uint16_t* target) {
    const auto* winners = static_cast<const uint8_t*>(work_.winners) + walk.winners;
    if (plan_.edges.of_output && fine_by_edges(winners)) return 0;
    if (plan_.allowed && fine_by_bits(winners)) return 0;
    if (plan_.found_run && find(walk, 1, target)) return 0;
    switch (work_.winner_bytes) {
      case 1: return check<uint8_t>(walk);
      case 2: return check<uint16_t>(walk);
      default: return check<uint32_t>(walk);
    }
  }

  // The cells of the winners of outer cells that follow each other: false if any is none.
  bool find(const Walk& walk, int64_t outer_cells, uint16_t* target) const {
    return work_.find_cells(work_, plan_.windows, work_.winners, walk.winners, run_, outer_cells,
                            static_cast<uint16_t>(plan_.cells_in_all), target);
  }

  // Where an array of as many cells as there are outputs has those of the tile, in its outer cell.
  std::pair<int64_t, int64_t> cells() const {
    const int64_t step = work_.axis[0].winner_step;
    return {begin_[0] * step, end_[0] * step};
  }

 private:
  // By what the plan says of each output, and maybe of each along the first axis.
  bool fine_by_edges(const uint8_t* winners) const {
    const Edges& edges = plan_.edges;
    return fine(edges.of_first, uint8_t{0}, [&](int64_t at, int64_t count, uint8_t first) {
      return all_inside(winners + at, edges, count, first, work_.cells);
    });
  }
  bool fine_by_bits(const uint8_t* winners) const {
    return fine(plan_.first_allowed, ~uint32_t{0}, [&](int64_t at, int64_t count, uint32_t first) {
      return all_allowed(winners + at, plan_.allowed, count, first);
    });
  }
  template <class Bits, class Check>
  bool fine(const Bits* of_first, Bits of_all, const Check& check) const {
    if (!of_first) return check(0, run_, of_all);
    const int64_t each = work_.axis[0].winner_step;
    for (int64_t o = begin_[0]; o < end_[0]; ++o) {
      if (!check(o * each, each, of_first[o])) return false;
    }
    return true;
  }

  template <class W>
  int64_t check(const Walk& walk) {
    // any offset at all is a cell of the window where the window has as many as the type counts
    counted_ = static_cast<uint64_t>(work_.cells) > static_cast<W>(-1);
    bool fine = true;
    if (one_run_ && !counted_) {
      counted_ = true;
      fine = !any_from(static_cast<const W*>(work_.winners) + walk.winners, run_,
                       static_cast<W>(work_.cells));
    }
    if (fine && counted_ && !any_border_) return 0;
    return axis<W>(walk, 0, walk.winners + walk.inner, 0, !fine || !plan_.listed);
  }

  template <class W>
  NDPOOL_RECURSIVE int64_t axis(const Walk& walk, int a, int64_t at, int tables, bool look) {
    const bool before_last = a == work_.axes - 2;
    if (a == work_.axes - 1) return row<W>(walk, at, tables, look);
    for (int64_t o = begin_[a]; o < end_[a]; ++o) {
      start_[a] = o * work_.axis[a].stride - work_.axis[a].before;
      int more = tables;
      if (plan_.listed && (o < left_[a] || o >= right_[a])) {
        table_[more++] = plan_.inside[a] + number(a, o) * work_.cells;
      }
      const int64_t next = at + o * work_.axis[a].winner_step;
      const int64_t bad =
          before_last ? row<W>(walk, next, more, look) : axis<W>(walk, a + 1, next, more, look);
      if (bad) return bad;
    }
    return 0;
  }

  // Of a window that reaches out of the input along axis a: its number among those.
  int64_t number(int a, int64_t o) const {
    return o < plan_.inside_from[a] ? o : o - plan_.inside_to[a] + plan_.inside_from[a];
  }

  template <class W>
  int64_t row(const Walk& walk, int64_t at, int tables, bool look) {
    const int a = work_.axes - 1;
    const int64_t step = work_.axis[a].winner_step, count = walk.inner_count;
    const W* winners = static_cast<const W*>(work_.winners) + at;
    bool wrong = look;
    if (!look && (tables > 0 || !counted_)) {
      if (step == count) {
        wrong = cells_wrong(winners + begin_[a] * step, (end_[a] - begin_[a]) * step, tables);
      } else {
        for (int64_t o = begin_[a]; !wrong && o < end_[a]; ++o) {
          wrong = cells_wrong(winners + o * step, count, tables);
        }
      }
    }
    if (wrong) return look_for<W>(walk, at);  // the tables below are only for cells of the window
    const uint8_t* inside = plan_.inside[a] + number(a, begin_[a]) * work_.cells;
    for (int64_t o = begin_[a]; o < left_[a]; ++o, inside += work_.cells) {
      for (int64_t i = 0; i < count; ++i) wrong |= !inside[winners[o * step + i]];
    }
    inside = plan_.inside[a] + number(a, right_[a]) * work_.cells;
    for (int64_t o = right_[a]; o < end_[a]; ++o, inside += work_.cells) {
      for (int64_t i = 0; i < count; ++i) wrong |= !inside[winners[o * step + i]];
    }
    return wrong ? look_for<W>(walk, at) : 0;
  }

  template <class W>
  bool cells_wrong(const W* winners, int64_t count, int tables) const {
    bool wrong = !counted_ && any_from(winners, count, static_cast<W>(work_.cells));
    for (int t = 0; !wrong && t < tables; ++t) {
      const uint8_t* inside = table_[t];
      for (int64_t i = 0; i < count; ++i) wrong |= !inside[winners[i]];
    }
    return wrong;
  }

  // One by one: windows too large for tables, and the place of one that is known to be wrong.
  template <class W>
  NDPOOL_RECURSIVE int64_t look_for(const Walk& walk, int64_t at) {
    const int last = work_.axes - 1;
    for (int64_t o = begin_[last]; o < end_[last]; ++o) {
      start_[last] = o * work_.axis[last].stride - work_.axis[last].before;
      for (int64_t c = 0; c < walk.inner_count; ++c) {
        const int64_t place = at + o * work_.axis[last].winner_step + c;
        const auto winner = static_cast<uint64_t>(static_cast<const W*>(work_.winners)[place]);
        bool inside = winner < static_cast<uint64_t>(work_.cells);
        for (int a = last; inside && a >= 0; --a) {
          const int64_t tap = tap_along(work_, plan_, a, winner);
          const int64_t cell = start_[a] + tap * work_.axis[a].dilation;
          inside = cell >= 0 && cell < work_.axis[a].n;
        }
        if (!inside) return 1 + place;
      }
    }
    return 0;
  }

  const Work& work_;
  const Backward& plan_;
  bool one_run_;          // the winners of an outer cell are one tile and one run
  int64_t run_;           // of so many
  bool counted_ = false;  // known to be less than the cells of a window
  bool any_border_ = true;
  int64_t begin_[kMostAxes], end_[kMostAxes];   // outputs of the tile
  int64_t left_[kMostAxes], right_[kMostAxes];  // those between reach over no edge
  int64_t start_[kMostAxes];
  const uint8_t* table_[kMostAxes];  // of the axes before the last along which the row is border
};

// All items, by a way that writes each after its winners were checked.
template <class Write>
int64_t write_checked(const Work& work, const Backward& plan, int64_t begin, int64_t end,
                      const Write& write) {
  WinnerCheck check(work, plan);
  return each_item(
      work, plan, begin, end, [&](const Walk& walk) { check.look_at(walk); },
      [&](const Walk& walk, int64_t item) {
        const int64_t bad = check(walk, nullptr);
        if (!bad) write(walk, check, item);
        return bad;
      });
}

// Whether the winners along the last pooled axis stand next to each other.
inline bool by_rows(const Work& work) {
  return work.inner == 1 && work.axis[work.axes - 1].winner_step == 1;
}

}  // namespace
}  // namespace ndpool
