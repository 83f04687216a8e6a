#pragma once

#include "base/file.h"
#include "base/result.h"

#include <string>

namespace davit::image {

/// A folder in which a change of the store is made ready, out of sight: images/tmp/<random>/ with a
/// locked file that says that somebody is at work. It goes with this object; one whose process was
/// killed is swept by the next.
class Staging {
public:
    /// Also sweeps what killed processes left.
    static Result<Staging> open(const std::string& data_root);

    Staging(Staging&& other) noexcept
        : path_(std::move(other.path_)), lease_(std::move(other.lease_)) {
        other.path_.clear();
    }
    Staging& operator=(Staging&&) = delete;
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    ~Staging();

    const std::string& path() const { return path_; }

private:
    Staging(std::string path, FileLock lease) : path_(std::move(path)), lease_(std::move(lease)) {}
    std::string path_;
    FileLock lease_;
};

}  // namespace davit::image
