// Windows some cells apart, of three or four cells in a row: the cells at one tap of as many
// windows as a vector has lanes are picked from the two to four vectors that hold them all. Those
// may be two short rows, one below the other. Nothing is kept from row to row: narrow.h does that,
// where more of them are shared. AVX-512 alone has what it takes.
#pragma once

#include "narrow.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

// kSources: vectors that the cells of a vector of outputs lie in. kTaps: the cells of a window's
// row.
template <class T, int kSources, int kTaps>
class Picked {
 public:
  Picked(const Work& work, const Forward& plan)
      : work_(work),
        plan_(plan),
        along_(work.axis[work.axes - 1]),
        rows_(work.axes > 1),
        two_(plan.two_rows),
        row_step_(rows_ ? work.axis[0].dilation * work.axis[0].x_step : 0),
        read_((rows_ ? (work.axis[0].n - 1) * work.axis[0].x_step : 0) +
              along_.out * along_.stride + (kSources + 1) * L),
        out_(work.past_cache),
        winners_out_(work.past_cache && work.winners) {
    const int64_t behind = (along_.out - 1) * along_.stride + (kTaps - 1) * along_.dilation;
    whole_ = along_.before == 0 && behind < along_.n && row_step_ >= 0;
    for (int64_t o = 0; o < L; ++o) {
      const bool below = two_ && o >= along_.out;
      const int64_t output = below ? o - along_.out : o;
      const int64_t start = output * along_.stride - along_.before;
      first_[o] = static_cast<Winner<T>>(taps_inside(along_, start).first);
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const int64_t cell = start + tap * along_.dilation;
        // behind the row there are the lowest values; where no output is, any will do
        const int64_t inside = cell >= 0 && cell < along_.n ? cell : along_.n;
        const int64_t at = least(inside + (below ? L : 0), kSources * L - 1);
        const bool near = at < 2 * L;
        near_[tap][o] = static_cast<Winner<T>>(near ? at : o);
        far_[tap][o] = static_cast<Winner<T>>(at - 2 * L);
        either_[tap][o] = static_cast<Winner<T>>(near ? o : kSources == 3 ? at - L : o + L);
      }
    }
  }

  void look_at(const Walk&) const {}
  void write(const Walk& walk) { work_.winners ? outer_cell<true>(walk) : outer_cell<false>(walk); }

 private:
  static constexpr int64_t L = kLanes<T>;

  // Where the cells of some windows are: in each vector, those lanes that the row has.
  struct Source {
    const T* at;
    uint64_t bits;
  };
  using Sources = Source[kSources];

  template <bool kWinners>
  void outer_cell(const Walk& walk) {
    const T* x = static_cast<const T*>(work_.source) + walk.x;
    readable_ = whole_ && work_.cells_of_source.has(x, x + read_);
    const int64_t tile = plan_.cut[0].tile, begin = walk.tile[0] * tile;
    const int64_t end = least(begin + tile, work_.axis[0].out);
    if (!rows_) return row<kWinners>(x, 0, 1, walk.y, begin, end);
    const Axis& down = work_.axis[0];
    const auto whole = [&](int64_t start) {
      return start >= 0 && start + (down.kernel - 1) * down.dilation < down.n;
    };
    for (int64_t o = begin; o < end; ++o) {
      const int64_t start = o * down.stride - down.before, to = walk.y + o * down.y_step;
      const T* from = x + start * down.x_step;
      if (two_ && o + 1 < end && whole(start) && whole(start + down.stride)) {
        const uint64_t bits = bits_between(0, along_.n);
        const Sources sources{{from, bits}, {from + down.stride * down.x_step, bits}};
        put<kWinners>(sources, 0, down.kernel, to, 2 * along_.out);
        ++o;
      } else {
        const auto [lo, hi] = taps_inside(down, start);
        row<kWinners>(from, lo, hi, to, 0, along_.out);
      }
    }
  }

  // The outputs from `begin` to `end` of a row, of the rows [lo, hi) of their windows.
  template <bool kWinners>
  void row(const T* x, int64_t lo, int64_t hi, int64_t y, int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; o += L) {
      Sources sources;
      for (int s = 0; s < kSources; ++s) {
        const int64_t cell = o * along_.stride + (two_ ? 0 : s * L);
        sources[s] = {x + cell, bits_between(0, along_.n - cell)};
      }
      put<kWinners>(sources, lo, hi, y + o, least(L, end - o));
    }
  }

  template <bool kWinners>
  inline void put(const Sources& sources, int64_t lo, int64_t hi, int64_t to, int64_t count) {
    T* y = out_.at(static_cast<T*>(work_.result) + to, count);
    uint8_t* winners = nullptr;
    if constexpr (kWinners) {
      winners = winners_out_.at(static_cast<uint8_t*>(work_.winners) + to, count);
    }
    const uint64_t stored = count < L ? bits_between(0, count) : ~uint64_t{0};
    const bool fine = readable_ ? best<true, kWinners, true>(sources, lo, hi, y, winners, stored)
                                : best<true, kWinners, false>(sources, lo, hi, y, winners, stored);
    // once more: there is a NaN
    if (!fine) best<false, kWinners, false>(sources, lo, hi, y, winners, stored);
  }

  // False, and nothing written, where it has to be exact.
  template <bool kClean, bool kWinners, bool kReadable>
  inline bool best(const Sources& sources, int64_t lo, int64_t hi, T* y, uint8_t* winners,
                   uint64_t stored) const {
    Seen<T, T> seen;
    Best<T> best{};
    for (int64_t r = lo; r < hi; ++r) {
      Vec<T> cells[kSources];
      for (int s = 0; s < kSources; ++s) {
        const T* from = sources[s].at + r * row_step_;
        cells[s] = kReadable ? load(from) : load_some<T, T>(from, sources[s].bits, lowest<T, T>());
        if (r + 1 == hi) prefetch<false>(address(from) + kAhead);
      }
      if constexpr (kClean) {
        for (int s = 0; s < kSources; s += 2) {
          seen.look(cells[s], cells[least(s + 1, kSources - 1)]);
        }
      }
      const auto number = static_cast<Winner<T>>(r * kTaps);
      for (int tap = 0; tap < kTaps; ++tap) {
        const Vec<T> next = picked(cells, tap);
        if (r == lo && tap == 0) {
          best = {next, broadcast(number) + load(first_)};
        } else {
          const auto winner = broadcast(static_cast<Winner<T>>(number + tap));
          fold_in<kClean, kWinners, T>(best, next, winner);
        }
      }
    }
    if (kClean && seen) return false;
    if (!out_) prefetch<true>(address(y) + kWriteAhead);
    put_cells<T, T>(y, best.value, stored);
    if constexpr (kWinners) store_bytes<T>(winners, best.winner, stored);
    return true;
  }

  inline Vec<T> picked(const Vec<T> (&cells)[kSources], int tap) const {
    const Vec<T> near = permuted<T>(cells[0], cells[1], load(near_[tap]));
    if constexpr (kSources == 2) return near;
    if constexpr (kSources == 3) return permuted<T>(near, cells[2], load(either_[tap]));
    if constexpr (kSources == 4) {
      const Vec<T> far = permuted<T>(cells[2], cells[3], load(far_[tap]));
      return permuted<T>(near, far, load(either_[tap]));
    }
  }

  const Work& work_;
  const Forward& plan_;
  const Axis along_;
  const bool rows_, two_;   // there is an axis of rows; two of them go side by side
  const int64_t row_step_;  // from a row of a window to the next
  const int64_t read_;      // cells from the start of an outer cell on, where vectors are whole
  bool whole_;  // no window reaches out of its row: others ask for the lowest values there
  bool readable_ = false;  // vectors are, of the outer cell at hand
  Stream out_, winners_out_;
  Winner<T> first_[L];  // the first tap inside
  // Of each tap, where its cell lies: in the first two vectors, in the others, and in which of
  // them.
  Winner<T> near_[kTaps][L], far_[kTaps][L], either_[kTaps][L];
};

template <class T>
int64_t picked(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  switch (plan.sources) {
    case 2: return write_all<Picked<T, 2, 3>>(work, plan, begin, end);
    case 3: return write_all<Picked<T, 3, 3>>(work, plan, begin, end);
    default: return write_all<Picked<T, 4, 4>>(work, plan, begin, end);
  }
}

}  // namespace
}  // namespace ndpool

#endif
