// Windows of one cell over an array with gaps between its elements: the result is every stride-th
// of them. Rows can be short, so those behind each other are listed as one.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include "plan.h"

namespace ndpool {
namespace {

class SingleCells {
 public:
  explicit SingleCells(const Work& work) {
    add(work.inner, work.inner_x_step, work.inner_y_step);
    for (int i = 0; i < work.outers; ++i) {
      add(work.outer[i].n, work.outer[i].x_step, work.outer[i].y_step);
    }
    for (int a = 0; a < work.axes; ++a) {
      const Axis& along = work.axis[a];
      add(along.out, along.x_step * along.stride, along.y_step);
    }
    // the result's axes, the last first
    std::sort(axes_.begin(), axes_.begin() + count_,
              [](const Along& a, const Along& b) { return a.y_step < b.y_step; });
    for (; listed_ < count_ && row_ * axes_[listed_].n <= kMostListed; ++listed_) {
      const Along& along = axes_[listed_];
      for (int64_t i = row_; i < row_ * along.n; ++i) {
        place_[i] = place_[i % row_] + i / row_ * along.x_step;
      }
      row_ *= along.n;
    }
    for (int a = listed_; a < count_; ++a) rows_ *= axes_[a].n;
  }

  int64_t rows() const { return rows_; }

  template <class Cell>
  void write(const Work& work, int64_t row) const {
    const Cell* x = static_cast<const Cell*>(work.source);
    int64_t rest = row;
    for (int a = listed_; a < count_; ++a) {
      x += rest % axes_[a].n * axes_[a].x_step;
      rest /= axes_[a].n;
    }
    Cell* y = static_cast<Cell*>(work.result) + row * row_;
    for (int64_t i = 0; i < row_; ++i) y[i] = x[place_[i]];
    if (!work.winners) return;
    const int64_t bytes = row_ * work.winner_bytes;
    std::memset(static_cast<char*>(work.winners) + row * bytes, 0, static_cast<size_t>(bytes));
  }

 private:
  static constexpr int64_t kMostListed = 256;
  struct Along {
    int64_t n, x_step, y_step;
  };

  void add(int64_t n, int64_t x_step, int64_t y_step) {
    if (n > 1) axes_[count_++] = {n, x_step, y_step};
  }

  std::array<Along, kMostAxes + kMostOuter + 1> axes_;
  int count_ = 0, listed_ = 0;
  std::array<int64_t, kMostListed> place_{};  // of the cells of a row, from its first
  int64_t row_ = 1, rows_ = 1;
};

template <class Cell>
int64_t single_cells(const Work& work, const Forward&, void*, int64_t begin, int64_t end) {
  const SingleCells cells(work);
  for (int64_t row = begin; row < end; ++row) cells.write<Cell>(work, row);
  return 0;
}

inline ForwardKernel single_cells_of(int64_t bytes) {
  switch (bytes) {
    case 1: return single_cells<uint8_t>;
    case 2: return single_cells<uint16_t>;
    case 4: return single_cells<uint32_t>;
    default: return single_cells<uint64_t>;
  }
}

}  // namespace
}  // namespace ndpool
