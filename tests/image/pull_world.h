#pragma once

#include "base/digest.h"
#include "base/file.h"
#include "image/pull.h"
#include "image/store_files.h"
#include "tests/image/packed.h"
#include "tests/support/fake_registry.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

/// What the tests of pulling have in common.
namespace davit::testing {

inline const std::string kLower = TarWriter().folder("etc").file("etc/name", "lower").finish();
inline const std::string kUpper =
    TarWriter().file("big", noise(700'000, 7)).file("etc/name", "upper").finish();

/// A registry, and a store to pull into.
struct World : FakeRegistry {
    explicit World(const std::string& pem = "", const std::string& versions = "")
        : FakeRegistry(pem, versions) {
        settings.first_delay = std::chrono::milliseconds(5);
        settings.stall_seconds = 1;
    }
    /// The first layer plain, the others zstd.
    Json image(const std::vector<std::string>& tars, bool docker = false) const {
        std::vector<Layer> layers;
        for (const std::string& tar : tars)
            layers.push_back(layers.empty() ? Layer{image::kOciLayer, tar, tar}
                                            : Layer{image::kOciLayerZstd, zstd(tar), tar});
        Json made = FakeRegistry::image(layers);
        if (docker) made["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json";
        return made;
    }

    Result<image::Pulled> pull(const std::string& name = "app:1",
                               const std::string& platform = "") {
        return image::pull(store, settings, {host() + "/" + name, platform}, {});
    }
    /// Folders that may hold something after a failure, but for parts.
    std::size_t left() const {
        return list_directory(dir / "data/images/tmp")->size() +
               list_directory(dir / "data/layers")->size() + store.list()->size() +
               list_directory(dir / "data/images/blobs/sha256")->size();
    }
    std::size_t parts() const { return list_directory(dir / "data/images/parts")->size(); }

    TempDir dir;
    image::RegistrySettings settings;
    image::Store store = *image::Store::open(dir / "data");
};

inline void check_whole(World& w) {
    const auto found = w.store.find(w.host() + "/app:1");
    REQUIRE_MESSAGE(found.ok(), found.error().to_string());
    REQUIRE(found->layers.size() == 2);
    CHECK(*read_file(found->layers[0] + "/etc/name") == "upper");
    CHECK(read_file(found->layers[0] + "/big")->size() == 700'000);
    CHECK(*read_file(found->layers[1] + "/etc/name") == "lower");
    CHECK(w.parts() == 0);
    CHECK(list_directory(w.dir / "data/images/tmp")->empty());
    const auto blobs = list_directory(w.dir / "data/images/blobs/sha256");
    for (const std::string& blob : *blobs)
        CHECK(sha256_hex(*read_file(w.dir / ("data/images/blobs/sha256/" + blob))) == blob);
}

inline const std::string kBig = "blobs/sha256:" + sha256_hex(zstd(kUpper));

}  // namespace davit::testing
