#include "cli/image_filter.h"

#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

namespace {

image::Reference name_of(const std::string& text) { return *image::parse_reference(text); }

image::Image image_of(const std::vector<std::string>& names, const std::string& created,
                      const std::map<std::string, std::string>& labels = {}) {
    image::Image image;
    for (const std::string& name : names) image.names.push_back(name_of(name));
    image.created = created;
    image.config.labels = labels;
    return image;
}

std::size_t names_left(const ImageFilter& filter, image::Image image) {
    return take_image(filter, image) ? image.names.size() : 99;
}

}  // namespace

TEST_CASE("a pattern of names fits as in Go's path.Match: a star goes up to the next slash") {
    struct Case {
        const char* pattern;
        const char* name;
        bool fits;
    };
    for (const Case& one : {Case{"nginx", "nginx:1.27", true},
                            {"nginx:1.27", "nginx:1.27", true},
                            {"nginx:1.26", "nginx:1.27", false},
                            {"ngin*", "nginx", true},
                            {"*", "me/web", false},
                            {"*/web", "me/web:2", true},
                            {"*:2", "web:2", true},
                            {"*/*:[12]", "me/web:2", true},
                            {"example.com/*", "example.com/web", true},
                            {"docker.io/library/nginx", "nginx", false}}) {
        CAPTURE(one.pattern);
        CAPTURE(one.name);
        CHECK(reference_fits(one.pattern, name_of(one.name)) == one.fits);
    }
}

TEST_CASE("images are chosen by name, label, age and being nameless") {
    ImageFilter filter;
    const image::Image image = image_of({"a:1", "b:1"}, "2026-01-02T00:00:00Z", {{"k", "v"}});
    CHECK(names_left(filter, image) == 2);
    SUBCASE("of several names only those that fit are left") {
        filter.references = {"b", "c"};
        CHECK(names_left(filter, image) == 1);
        filter.references = {"c"};
        CHECK(names_left(filter, image) == 99);
    }
    SUBCASE("all labels must be there") {
        filter.labels = {"k"};
        CHECK(names_left(filter, image) == 2);
        filter.labels = {"k=v", "x"};
        CHECK(names_left(filter, image) == 99);
        filter.labels = {"k=w"};
        CHECK(names_left(filter, image) == 99);
    }
    SUBCASE("none of the labels may be there") {
        filter.without_labels = {"x"};
        CHECK(names_left(filter, image) == 2);
        filter.without_labels = {"x", "k"};
        CHECK(names_left(filter, image) == 99);
    }
    SUBCASE("nameless or not") {
        filter.dangling = true;
        CHECK(names_left(filter, image) == 99);
        CHECK(names_left(filter, image_of({}, "2026-01-02T00:00:00Z")) == 0);
        filter.dangling = false;
        CHECK(names_left(filter, image) == 2);
    }
    SUBCASE("made before and after") {
        filter.before = "2026-01-02T00:00:00.5Z";
        CHECK(names_left(filter, image) == 2);
        filter.since = "2026-01-02T00:00:00Z";
        CHECK(names_left(filter, image) == 99);
        filter.since = "2026-01-01T23:59:59+00:00";
        CHECK(names_left(filter, image) == 2);
    }
}

TEST_CASE("a filter that means nothing is refused with what there is") {
    const testing::TempDir dir;
    const image::Store store = *image::Store::open(dir / "data");
    for (const char* word : {"dangling", "dangling=maybe", "colour=red", "until=soon"}) {
        CAPTURE(word);
        const auto filter = parse_image_filter({word}, store);
        REQUIRE_FALSE(filter.ok());
        CHECK(filter.error().kind() == ErrorKind::InvalidInput);
        CHECK_FALSE(filter.error().help().empty());
    }
    CHECK(parse_image_filter({"before=no/such"}, store).error().kind() == ErrorKind::NotFound);
}
