#include "stack/log_target.h"

#include <doctest/doctest.h>

// Docker's options of the drivers that send lines elsewhere.
using namespace davit;
using namespace davit::stack;

namespace {

ContainerRecord with(const std::string& driver, std::map<std::string, std::string> options) {
    ContainerRecord record;
    record.id = "0123456789abcdef" + std::string(48, '0');
    record.name = "shop-web-1";
    record.service = "web";
    record.image = "nginx:1";
    record.logging = {driver, std::move(options)};
    return record;
}

}  // namespace

TEST_CASE("only two drivers send lines elsewhere") {
    for (const char* driver : {"json-file", "local", "none"})
        CHECK_FALSE((*log_target_of(with(driver, {}))).has_value());
    const auto journal = *log_target_of(with("journald", {}));
    REQUIRE(journal.has_value());
    CHECK(journal->tag == "0123456789ab");
    CHECK(journal->fields.at("CONTAINER_NAME") == "shop-web-1");
    const auto syslog = *log_target_of(with("syslog", {{"tag", "{{.Name}}/{{.ImageName}}"},
                                                       {"syslog-facility", "local3"},
                                                       {"syslog-address", "udp://127.0.0.1:514"},
                                                       {"syslog-format", "rfc5424"}}));
    REQUIRE(syslog.has_value());
    CHECK(syslog->tag == "shop-web-1/nginx:1");
    CHECK(syslog->facility == 19);
    CHECK(syslog->address == "127.0.0.1:514");
    CHECK(syslog->rfc5424);
    CHECK((*log_target_of(with("syslog", {})))->address == "/dev/log");
}

TEST_CASE("options that mean nothing are refused by name") {
    const std::pair<const char*, const char*> wrong[] = {{"tag", "{{.Hostname}}"},
                                                         {"syslog-facility", "local9"},
                                                         {"syslog-facility", ""},
                                                         {"syslog-address", "tcp://1.2.3.4:5"},
                                                         {"syslog-format", "xml"}};
    for (const auto& [name, value] : wrong) {
        CAPTURE(name);
        const auto target = log_target_of(with("syslog", {{name, value}}));
        REQUIRE_FALSE(target.ok());
        CHECK(target.error().to_string().find(name) != std::string::npos);
    }
}
