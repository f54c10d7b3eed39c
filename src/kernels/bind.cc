// What Python sees of the kernels: arrays come in by the buffer protocol, work goes out to threads
// with the GIL released. No arithmetic on elements here.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "plan.h"

namespace nb = nanobind;

namespace ndpool {

extern const Kernels kernels_baseline;
#if defined(NDPOOL_X86)
extern const Kernels kernels_avx2, kernels_avx512;
#endif

namespace {

constexpr int64_t kBytesPerThread = 1 << 20;  // below, starting a thread costs more than it gains
constexpr int64_t kMostScratch = 7 << 18;     // of all threads: a call may need 2 MiB

std::vector<const Kernels*> available() {
  std::vector<const Kernels*> found{&kernels_baseline};
#if defined(NDPOOL_X86)
  if (__builtin_cpu_supports("avx2")) found.push_back(&kernels_avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    found.push_back(&kernels_avx512);
  }
#endif
  return found;
}

std::atomic<const Kernels*> chosen{available().back()};
std::atomic<int> most_threads{1};

// A view of an array for the length of a call.
class View {
 public:
  View(nb::handle array, int flags) {
    if (PyObject_GetBuffer(array.ptr(), &buffer_, PyBUF_STRIDES | flags) != 0)
      throw nb::python_error();
  }
  ~View() { PyBuffer_Release(&buffer_); }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  void* data() const { return buffer_.buf; }
  int64_t itemsize() const { return buffer_.itemsize; }
  // Whether its elements stand at whole steps from an aligned place, as the kernels read them.
  bool aligned() const {
    const auto size = static_cast<uintptr_t>(buffer_.itemsize);
    bool whole = reinterpret_cast<uintptr_t>(buffer_.buf) % size == 0;
    for (int i = 0; i < buffer_.ndim; ++i) whole &= buffer_.strides[i] % buffer_.itemsize == 0;
    return whole;
  }
  int64_t step(int axis) const { return buffer_.strides[axis] / buffer_.itemsize; }
  bool has(const std::vector<int64_t>& shape) const {
    return buffer_.ndim == static_cast<int>(shape.size()) &&
           std::equal(shape.begin(), shape.end(), buffer_.shape);
  }

 private:
  Py_buffer buffer_;
};

// Who works on a call. A helper that gets its first processor time when all is done is not waited
// for: other libraries' threads may spin on that processor for milliseconds. It finds the door
// closed and touches nothing of the call.
class Crew {
 public:
  explicit Crew(std::function<void(int64_t)> take) : take_(std::move(take)) {}

  void help(int64_t number) {
    if (!enter()) return;
    take_(number);
    const std::lock_guard<std::mutex> guard(lock_);
    if (--inside_ == 0) empty_.notify_one();
  }
  void close() {
    std::unique_lock<std::mutex> guard(lock_);
    closed_ = true;
    empty_.wait(guard, [this] { return inside_ == 0; });
  }

 private:
  bool enter() {
    const std::lock_guard<std::mutex> guard(lock_);
    if (!closed_) ++inside_;
    return !closed_;
  }

  const std::function<void(int64_t)> take_;
  std::mutex lock_;
  std::condition_variable empty_;
  int inside_ = 0;
  bool closed_ = false;
};

// Threads that sleep until there is a call to help with. A woken thread starts in a tenth of the
// time of a new one, and gets its turn before threads that spin. It is never destroyed: at exit
// they sleep on. After a fork the child has none of them, so it begins with a new one.
class Helpers {
 public:
  static Helpers& get() { return *current_; }

  void call(const std::shared_ptr<Crew>& crew, int64_t helpers) {
    {
      const std::lock_guard<std::mutex> guard(lock_);
      try {
        for (; threads_ < helpers; ++threads_) std::thread([this] { serve(); }).detach();
      } catch (const std::system_error&) {
        // no more threads to be had: those there are do the work
      }
      for (int64_t number = 1; number <= std::min(helpers, threads_); ++number) {
        waiting_.emplace_back(crew, number);
      }
    }
    for (int64_t i = 0; i < helpers; ++i) wake_.notify_one();
  }

 private:
  [[noreturn]] void serve() {
    for (;;) {
      std::unique_lock<std::mutex> guard(lock_);
      wake_.wait(guard, [this] { return !waiting_.empty(); });
      const auto [crew, number] = std::move(waiting_.front());
      waiting_.pop_front();
      guard.unlock();
      crew->help(number);
    }
  }

  static Helpers* start() {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { current_ = new Helpers; });
#endif
    return new Helpers;
  }

  static Helpers* current_;
  std::mutex lock_;
  std::condition_variable wake_;
  std::deque<std::pair<std::shared_ptr<Crew>, int64_t>> waiting_;
  int64_t threads_ = 0;
};
Helpers* Helpers::current_ = Helpers::start();

struct FreeAligned {
  void operator()(char* p) const { ::operator delete(p, std::align_val_t(64)); }
};

// Run `kernel` over all items, on as many threads as the bytes to move are worth.
template <class Kernel, class Plan>
int64_t run(Kernel kernel, const Work& work, const Plan& plan, int64_t bytes) {
  if (plan.items == 0) return 0;
  const size_t each = (plan.scratch + 4095) / 4096 * 4096;
  const int64_t fit = kMostScratch / static_cast<int64_t>(each);
  const int64_t threads = std::max<int64_t>(
      1, std::min({int64_t{most_threads.load()}, fit, bytes / kBytesPerThread, plan.items}));
  std::unique_ptr<char, FreeAligned> scratch(
      static_cast<char*>(::operator new(each* static_cast<size_t>(threads), std::align_val_t(64))));
  nb::gil_scoped_release released;
  if (threads == 1) return kernel(work, plan, scratch.get(), 0, plan.items);

  // Shares are small enough that a thread that was held up does not hold up the rest, and
  // neighbours in memory. Of errors that were found the least place counts.
  const int64_t share = std::max<int64_t>(1, plan.items / (threads * 8));
  std::atomic<int64_t> next{0}, first_bad{0};
  const auto take = [&](int64_t number) {
    char* own = scratch.get() + each * static_cast<size_t>(number);
    for (int64_t begin; (begin = next.fetch_add(share)) < plan.items;) {
      const int64_t bad = kernel(work, plan, own, begin, std::min(begin + share, plan.items));
      if (!bad) continue;
      int64_t seen = first_bad.load();
      while ((seen == 0 || bad < seen) && !first_bad.compare_exchange_weak(seen, bad)) {
      }
    }
  };
  const auto crew = std::make_shared<Crew>(take);
  Helpers::get().call(crew, threads - 1);
  take(0);
  crew->close();
  return first_bad.load();
}

// A geometry, and how the kernels go about it.
class Pooling {
 public:
  Pooling(std::vector<int64_t> shape, const std::vector<int64_t>& axes,
          const std::vector<int64_t>& kernel, const std::vector<int64_t>& stride,
          const std::vector<int64_t>& dilation, const std::vector<int64_t>& before,
          std::vector<int64_t> y_shape)
      : shape_(std::move(shape)), y_shape_(std::move(y_shape)), pooled_(axes.begin(), axes.end()) {
    work_.axes = static_cast<int>(axes.size());
    work_.cells = 1;
    for (size_t i = 0; i < axes.size(); ++i) {
      const auto axis = static_cast<size_t>(axes[i]);
      work_.axis[i] = {
          shape_[axis], kernel[i], stride[i], dilation[i], before[i], y_shape_[axis], 0, 0, 0};
      work_.cells *= kernel[i];
      const int64_t end =
          (y_shape_[axis] - 1) * stride[i] - before[i] + (kernel[i] - 1) * dilation[i];
      work_.padded |= before[i] > 0 || end >= shape_[axis];
    }
    work_.winner_bytes = work_.cells <= 1 << 8 ? 1 : work_.cells <= 1 << 16 ? 2 : 4;
    y_steps_.assign(y_shape_.size(), 1);
    x_steps_.assign(shape_.size(), 1);
    for (size_t i = shape_.size(); i-- > 1;) {
      y_steps_[i - 1] = y_steps_[i] * y_shape_[i];
      x_steps_[i - 1] = x_steps_[i] * shape_[i];
    }
  }

  // False where this geometry has to go another way.
  bool serves(int kind, bool backward) {
    if (!kernel_exists(kind, backward)) return false;
    // The largest inner run makes the largest tile; a plan for it can always shrink to one cell.
    Work work = arranged(x_steps_, y_steps_);
    return backward ? backward_plan(work, kind) != nullptr : forward_plan(work, kind) != nullptr;
  }

  // False, and nothing done, where x is not aligned.
  bool forward(nb::handle x, nb::handle y, nb::handle winners, int kind) {
    const View source(x, 0), result(y, PyBUF_WRITABLE);
    if (!source.aligned()) return false;
    if (!source.has(shape_) || !result.has(y_shape_)) throw std::invalid_argument("shape");
    std::unique_ptr<View> offsets;
    std::vector<int64_t> steps(shape_.size());
    for (size_t i = 0; i < steps.size(); ++i) steps[i] = source.step(static_cast<int>(i));
    Work work = arranged(steps, y_steps_);
    work.source = source.data();
    work.result = result.data();
    int64_t out = cells(y_shape_) * result.itemsize();
    if (!winners.is_none()) {
      offsets = std::make_unique<View>(winners, PyBUF_WRITABLE);
      if (!offsets->has(y_shape_) || offsets->itemsize() != work.winner_bytes) {
        throw std::invalid_argument("indices");
      }
      work.winners = offsets->data();
      out += cells(y_shape_) * work.winner_bytes;
    }
    const Kernels& kernels = *chosen.load();
    auto kernel = kernels.pairs[kind];
    auto plan = kernel ? pairs_plan(work, kind) : nullptr;
    if (!plan) {
      plan = forward_plan(work, kind);
      kernel = (wide(kind) ? kernels.forward_wide : kernels.forward)[kind];
    }
    if (!plan) throw std::invalid_argument("geometry");
    run(kernel, work, static_cast<const Forward&>(*plan), out + cells(shape_) * source.itemsize());
    return true;
  }

  // kFine, kUnaligned, or the place of a winner that is no cell of its window inside the input.
  static constexpr int64_t kFine = -1, kUnaligned = -2;
  int64_t backward(nb::handle dy, nb::handle winners, nb::handle dx, int kind) {
    const View source(dy, 0), offsets(winners, PyBUF_C_CONTIGUOUS), result(dx, PyBUF_WRITABLE);
    if (!source.aligned()) return kUnaligned;
    if (!source.has(y_shape_) || !offsets.has(y_shape_) || !result.has(shape_) ||
        offsets.itemsize() != work_.winner_bytes) {
      throw std::invalid_argument("shape");
    }
    std::vector<int64_t> steps(shape_.size());
    for (size_t i = 0; i < steps.size(); ++i) steps[i] = source.step(static_cast<int>(i));
    Work work = arranged(x_steps_, steps);
    work.source = source.data();
    work.result = result.data();
    work.winners = offsets.data();
    const int64_t out = cells(shape_) * result.itemsize();
    const auto plan = backward_plan(work, kind);
    if (!plan) throw std::invalid_argument("geometry");
    const Kernels& kernels = *chosen.load();
    work.find_cells = kernels.find_cells;
    const auto kernel = (plan->spread   ? kernels.spread
                         : plan->gather ? kernels.gather
                                        : kernels_baseline.scatter)[kind];
    return run(kernel, work, static_cast<const Backward&>(*plan),
               out + cells(y_shape_) * (source.itemsize() + work.winner_bytes)) -
           1;
  }

 private:
  static int64_t cells(const std::vector<int64_t>& shape) {
    int64_t product = 1;
    for (const int64_t size : shape) product *= size;
    return product;
  }

  static int element_bytes(int kind) {
    constexpr int bytes[kKinds] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 4, 4, 8};  // as computed with
    return bytes[kind];
  }
  bool wide(int kind) const {
    const int bytes = element_bytes(kind);
    return bytes < 4 && work_.cells > (int64_t{1} << (8 * bytes));
  }
  bool kernel_exists(int kind, bool backward) const {
    const Kernels& kernels = *chosen.load();
    if (work_.cells >= int64_t{1} << 32) return false;
    if (backward) return kernels_baseline.scatter[kind] != nullptr;
    return (wide(kind) ? kernels.forward_wide : kernels.forward)[kind] != nullptr;
  }

  // The arrays as outer x pooled x inner. The batch axes behind the last pooled one make the inner
  // run as far as they can be walked with one step.
  Work arranged(const std::vector<int64_t>& x_steps, const std::vector<int64_t>& y_steps) const {
    Work work = work_;
    const size_t ndim = shape_.size();
    size_t behind = ndim;  // first axis of the inner run
    work.inner = 1;
    work.inner_x_step = work.inner_y_step = 1;
    const auto last_pooled = static_cast<size_t>(pooled_.back());
    if (last_pooled + 1 < ndim) {
      behind = ndim - 1;
      work.inner = shape_[behind];
      work.inner_x_step = x_steps[behind];
      work.inner_y_step = y_steps[behind];
      while (behind - 1 > last_pooled && x_steps[behind - 1] == work.inner * work.inner_x_step &&
             y_steps[behind - 1] == work.inner * work.inner_y_step) {
        work.inner *= shape_[--behind];
      }
    }
    work.outers = 0;
    work.outer_count = 1;
    size_t pooled = 0;
    for (size_t i = 0; i < behind; ++i) {
      if (pooled < pooled_.size() && static_cast<size_t>(pooled_[pooled]) == i) {
        Axis& along = work.axis[pooled++];
        along.x_step = x_steps[i];
        along.y_step = y_steps[i];
        along.winner_step = y_steps_[i];
      } else {
        work.outer[work.outers++] = {shape_[i], x_steps[i], y_steps[i], y_steps_[i]};
        work.outer_count *= shape_[i];
      }
    }
    return work;
  }

  using Key = std::tuple<bool, int, int, int64_t, int64_t>;

  // Null for other windows, and where the pooled axes lie with gaps between them, in x or in y.
  std::shared_ptr<const ForwardPlan> pairs_plan(const Work& work, int kind) {
    const std::lock_guard<std::mutex> guard(lock_);
    bool without_gap = true;
    int64_t x_step = 1, y_step = 1;
    for (int a = work.axes - 1; a >= 0; --a) {
      without_gap &= work.axis[a].x_step == x_step && work.axis[a].y_step == y_step;
      x_step *= work.axis[a].n;
      y_step *= work.axis[a].out;
    }
    if (!without_gap) return nullptr;
    const Key key{false, element_bytes(kind), 0, work.inner, work.outer_count};
    const auto found = pairs_.find(key);
    if (found != pairs_.end()) return found->second;
    auto plan = std::make_shared<ForwardPlan>();
    if (!make_pairs(work, element_bytes(kind), *plan)) plan = nullptr;
    return pairs_[key] = plan;
  }

  std::shared_ptr<const ForwardPlan> forward_plan(const Work& work, int kind) {
    const int bytes = wide(kind) ? 4 : element_bytes(kind);
    const std::lock_guard<std::mutex> guard(lock_);
    const int threads = most_threads.load();
    const Key key{work.winners != nullptr, bytes, threads, work.inner, work.outer_count};
    const auto found = forwards_.find(key);
    if (found != forwards_.end()) return found->second;
    auto plan = std::make_shared<ForwardPlan>();
    if (!make_forward(work, bytes, threads, *plan)) plan = nullptr;
    return forwards_[key] = plan;
  }

  std::shared_ptr<const BackwardPlan> backward_plan(const Work& work, int kind) {
    const int bytes = element_bytes(kind);
    const int lanes = chosen.load()->vector_bytes / bytes;
    const std::lock_guard<std::mutex> guard(lock_);
    const int threads = most_threads.load();
    const Key key{false, bytes * 1024 + lanes, threads, work.inner, work.outer_count};
    const auto found = backwards_.find(key);
    if (found != backwards_.end()) return found->second;
    auto plan = std::make_shared<BackwardPlan>();
    if (!make_backward(work, bytes, lanes, threads, *plan)) plan = nullptr;
    return backwards_[key] = plan;
  }

  std::vector<int64_t> shape_, y_shape_, x_steps_, y_steps_, pooled_;
  Work work_{};
  std::mutex lock_;
  std::map<Key, std::shared_ptr<const ForwardPlan>> forwards_, pairs_;
  std::map<Key, std::shared_ptr<const BackwardPlan>> backwards_;
};

}  // namespace
}  // namespace ndpool

NB_MODULE(_native, m) {
  using namespace ndpool;
  using Sizes = const std::vector<int64_t>&;
  nb::set_leak_warnings(false);  // the cache of geometries lives until the process ends
  m.attr("MOST_AXES") = kMostAxes;
  m.attr("MOST_DIMENSIONS") = kMostOuter;
  m.attr("UNALIGNED") = Pooling::kUnaligned;
  m.def("set_num_threads", [](int threads) { most_threads = threads; });
  m.def("num_threads", [] { return most_threads.load(); });
  m.def("instruction_set", [] { return std::string(chosen.load()->name); });
  m.def("instruction_sets", [] {
    std::vector<std::string> names;
    for (const Kernels* kernels : available()) names.emplace_back(kernels->name);
    return names;
  });
  m.def("set_instruction_set", [](const std::string& name) {
    for (const Kernels* kernels : available()) {
      if (kernels->name == name) {
        chosen = kernels;
        return;
      }
    }
    throw std::invalid_argument(name);
  });
  nb::class_<Pooling>(m, "Pooling")
      .def(
          nb::init<std::vector<int64_t>, Sizes, Sizes, Sizes, Sizes, Sizes, std::vector<int64_t>>())
      .def("serves", &Pooling::serves)
      .def("forward", &Pooling::forward, nb::arg(), nb::arg(), nb::arg().none(), nb::arg())
      .def("backward", &Pooling::backward);
}
