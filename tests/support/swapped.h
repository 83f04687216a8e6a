#pragma once

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace davit::testing {

/// What a hostile program does to a folder that others write into: for as long as this lives, the
/// name `path` becomes a link to `victim` again and again, whatever is made there.
class Swapped {
public:
    Swapped(std::string path, std::string victim)
        : path_(std::move(path)), victim_(std::move(victim)), thread_([this] { swap(); }) {}
    Swapped(const Swapped&) = delete;
    Swapped& operator=(const Swapped&) = delete;
    ~Swapped() {
        ended_ = true;
        thread_.join();
    }

    /// How often something else than a link was there and was replaced.
    int replaced() const { return replaced_; }

private:
    void swap() {
        const std::string aside = path_ + ".aside";
        while (!ended_) {
            (void)std::remove(aside.c_str());
            if (::symlink(victim_.c_str(), aside.c_str()) == -1) continue;
            if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) ==
                -1)
                continue;
            struct stat info {};
            if (::lstat(aside.c_str(), &info) == 0 && !S_ISLNK(info.st_mode)) ++replaced_;
        }
        (void)std::remove(aside.c_str());
    }

    std::string path_;
    std::string victim_;
    std::atomic<bool> ended_ = false;
    std::atomic<int> replaced_ = 0;
    std::thread thread_;  // last: it uses the others
};

/// Makes `path` over and over while somebody puts links to `victim` in its place. Returns how often
/// what was made was replaced, which is what a busy machine decides on.
template <typename Make>
int make_while_swapped(const std::string& path, const std::string& victim, Make make) {
    constexpr int kEnough = 500;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const Swapped swapped(path, victim);
    while (swapped.replaced() < kEnough && std::chrono::steady_clock::now() < end) {
        (void)std::remove(path.c_str());
        make();
    }
    return swapped.replaced();
}

}  // namespace davit::testing
