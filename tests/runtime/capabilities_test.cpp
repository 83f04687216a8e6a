#include "runtime/capabilities.h"

#include <csignal>
#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sys/resource.h>

using namespace davit;
using namespace davit::runtime;

TEST_CASE("capability names become bits in any spelling") {
    struct Case {
        const char* name;
        unsigned bit;
    };
    for (const Case& c : {Case{"CAP_CHOWN", CAP_CHOWN}, Case{"chown", CAP_CHOWN},
                          Case{"cap_net_admin", CAP_NET_ADMIN}, Case{"SYSLOG", CAP_SYSLOG},
                          Case{"CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE}}) {
        const auto mask = capability_mask({c.name});
        REQUIRE_MESSAGE(mask.ok(), c.name);
        CHECK_MESSAGE(*mask == std::uint64_t{1} << c.bit, c.name);
    }
}

TEST_CASE("every capability up to the last one has its own number") {
    for (unsigned number = 0; number <= CAP_LAST_CAP; ++number) {
        const auto names = capability_names(std::uint64_t{1} << number);
        REQUIRE(names.size() == 1);
        CHECK(*capability_mask(names) == std::uint64_t{1} << number);
    }
    CHECK(capability_names(1U << CAP_SYS_ADMIN) == std::vector<std::string>{"CAP_SYS_ADMIN"});
    CHECK(capability_names(1U << CAP_MKNOD) == std::vector<std::string>{"CAP_MKNOD"});
}

TEST_CASE("an unknown capability is refused and the nearest one named") {
    const auto mask = capability_mask({"CHOWN", "NET_ADMN"});
    REQUIRE_FALSE(mask.ok());
    CHECK(mask.error().kind() == ErrorKind::InvalidInput);
    CHECK(mask.error().to_string() == "unknown capability 'NET_ADMN'");
    CHECK(mask.error().help() == "the nearest name is 'NET_ADMIN'");
}

TEST_CASE("the default capabilities are the fourteen of Docker") {
    CHECK(capability_names(default_capabilities()) ==
          std::vector<std::string>{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
                                   "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
                                   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT",
                                   "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP"});
}

TEST_CASE("rlimits are found by name") {
    CHECK(rlimit_number("RLIMIT_NOFILE") == RLIMIT_NOFILE);
    CHECK(rlimit_number("nproc") == RLIMIT_NPROC);
    CHECK(rlimit_number("RLIMIT_RTTIME") == RLIMIT_RTTIME);
    CHECK_FALSE(rlimit_number("RLIMIT_FILES"));
    CHECK_FALSE(rlimit_number(""));
}

TEST_CASE("signals are found by name and number and nothing else") {
    struct Case {
        const char* text;
        std::optional<int> number;
    };
    for (const Case& c : {Case{"SIGTERM", SIGTERM},
                          Case{"term", SIGTERM},
                          Case{"Sigquit", SIGQUIT},
                          Case{"9", 9},
                          Case{"SIGWINCH", SIGWINCH},
                          Case{"RTMIN", SIGRTMIN},
                          Case{"SIGRTMIN+3", SIGRTMIN + 3},
                          Case{"RTMAX-2", SIGRTMAX - 2},
                          Case{"64", 64},
                          Case{"0", {}},
                          Case{"65", {}},
                          Case{"-1", {}},
                          Case{"", {}},
                          Case{"SIG", {}},
                          Case{"TERMINATE", {}},
                          Case{"RTMIN-1", {}},
                          Case{"RTMIN+99", {}},
                          Case{"RTMAX+1", {}},
                          Case{"RTMIN+", {}},
                          Case{"RTMIN3", {}}})
        CHECK_MESSAGE(signal_number(c.text) == c.number, c.text);
}
