#include "base/file.h"
#include "runtime/dns_packet.h"
#include "runtime/dns_zone.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using namespace davit::runtime;
using davit::testing::TempDir;

namespace {

std::string number(unsigned value) {
    return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xffU)};
}

/// A question as a client sends it.
std::string question(const std::string& name, std::uint16_t type, unsigned payload = 0) {
    std::string packet = number(0x1234) + number(0x0100) + number(1) + number(0) + number(0) +
                         number(payload != 0 ? 1 : 0) + dns::wire_name(name) + number(type) +
                         number(1);
    if (payload != 0)
        packet +=
            std::string(1, '\0') + number(41) + number(payload) + number(0) + number(0) + number(0);
    return packet;
}

dns::Query query(const std::string& name, std::uint16_t type, unsigned payload = 0) {
    const dns::Parsed parsed = dns::parse_query(question(name, type, payload));
    REQUIRE(parsed.query.has_value());
    return *parsed.query;
}

unsigned answers_in(const std::string& packet) {
    return static_cast<unsigned char>(packet[6]) * 256U + static_cast<unsigned char>(packet[7]);
}

}  // namespace

TEST_CASE("a question is read with what its client can take") {
    const dns::Query plain = query("WEB.Shop", dns::kTypeA);
    CHECK(plain.id == 0x1234);
    CHECK(plain.name == "web.shop");
    CHECK(plain.type == dns::kTypeA);
    CHECK(plain.recursion_desired);
    CHECK_FALSE(plain.edns);
    CHECK(plain.payload == 512);
    const dns::Query modern = query("web", dns::kTypeAaaa, 1232);
    CHECK(modern.edns);
    CHECK(modern.payload == 1232);
    CHECK(query("web", dns::kTypeA, 20).payload == 512);  // RFC 6891 §6.2.3
}

TEST_CASE("what is no question is refused or left unanswered") {
    const std::string good = question("web", dns::kTypeA);
    const auto changed = [&](std::size_t at, char byte) {
        std::string packet = good;
        packet[at] = byte;
        return packet;
    };
    struct Case {
        const char* name;
        std::string packet;
        dns::Rcode problem;
    };
    const Case cases[] = {
        {"nothing", "", dns::Rcode::NoError},
        {"half a header", good.substr(0, 11), dns::Rcode::NoError},
        {"an answer", changed(2, '\x80'), dns::Rcode::NoError},
        {"another kind of request", changed(2, '\x10'), dns::Rcode::NotImp},
        {"two questions", changed(5, '\2'), dns::Rcode::FormErr},
        {"no type", good.substr(0, good.size() - 4), dns::Rcode::FormErr},
        {"a label beyond the end", changed(12, '\x3f'), dns::Rcode::FormErr},
        {"a pointer to itself", changed(12, '\xc0'), dns::Rcode::FormErr},
        {"a record that is not there", changed(11, '\1'), dns::Rcode::FormErr},
        {"a name that is too long",
         good.substr(0, 12) +
             [] {
                 std::string labels;
                 for (int i = 0; i < 5; ++i)
                     labels += std::string(1, '\x3f') + std::string(63, 'a');
                 return labels;
             }() +
             std::string(1, '\0') + number(1) + number(1),
         dns::Rcode::FormErr},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        const dns::Parsed parsed = dns::parse_query(c.packet);
        CHECK_FALSE(parsed.query.has_value());
        CHECK(parsed.problem == c.problem);
    }
    const std::string refusal = dns::make_refusal(good, dns::Rcode::FormErr);
    CHECK(refusal.substr(0, 2) == good.substr(0, 2));
    CHECK(dns::code_of(refusal) == dns::Rcode::FormErr);
    CHECK(dns::make_refusal("x", dns::Rcode::FormErr).empty());
}

TEST_CASE("an answer repeats the question and has a record for each address") {
    const dns::Query asked = query("web", dns::kTypeA, 1232);
    const std::string packet = dns::make_answer(asked, dns::Rcode::NoError,
                                                {{dns::kTypeA, std::string("\xac\x11\0\2", 4)},
                                                 {dns::kTypeA, std::string("\xac\x11\0\3", 4)}},
                                                1232);
    CHECK(dns::answers(packet, asked, 0x1234));
    CHECK_FALSE(dns::answers(packet, asked, 0x1235));
    CHECK_FALSE(dns::answers(packet, query("db", dns::kTypeA), 0x1234));
    CHECK(answers_in(packet) == 2);
    CHECK(packet.find(std::string("\xac\x11\0\3", 4)) != std::string::npos);
    CHECK_FALSE(dns::is_truncated(packet));
    CHECK(dns::code_of(packet) == dns::Rcode::NoError);
    CHECK(dns::code_of(dns::make_answer(asked, dns::Rcode::NxDomain, {}, 512)) ==
          dns::Rcode::NxDomain);
}

TEST_CASE("what does not fit is left out and said to be") {
    const dns::Query asked = query("web", dns::kTypeA);
    const std::vector<dns::Record> many(100, {dns::kTypeA, std::string(4, '\1')});
    const std::string packet = dns::make_answer(asked, dns::Rcode::NoError, many, asked.payload);
    CHECK(packet.size() <= 512);
    CHECK(dns::is_truncated(packet));
    CHECK(answers_in(packet) < 100);
    CHECK(answers_in(packet) > 20);
    const std::string whole = dns::make_answer(asked, dns::Rcode::NoError, many, 65535);
    CHECK(answers_in(whole) == 100);
    const std::string cut = dns::cut(whole, asked, 512);
    CHECK(dns::is_truncated(cut));
    CHECK(answers_in(cut) == 0);
    CHECK(dns::answers(cut, asked, asked.id));
    CHECK(dns::cut(packet, asked, 512) == packet);
}

TEST_CASE("reverse names stand for addresses") {
    CHECK(dns::address_of_reverse_name("2.0.17.172.in-addr.arpa") ==
          std::string("\xac\x11\0\2", 4));
    std::string v6 = "2.";
    for (int i = 0; i < 27; ++i) v6 += "0.";
    CHECK(dns::address_of_reverse_name(v6 + "0.0.d.f.ip6.arpa") ==
          std::string("\xfd", 1) + std::string(14, '\0') + "\2");
    for (const char* bad : {"", "arpa", "2.0.17.in-addr.arpa", "2.0.17.300.in-addr.arpa",
                            "x.0.17.172.in-addr.arpa", "1.ip6.arpa", "web.shop"})
        CHECK(dns::address_of_reverse_name(bad).empty());
    CHECK(dns::wire_name(std::string(64, 'a')).empty());
    CHECK(dns::wire_name("a..b").empty());
}

TEST_CASE("names are found in the networks of the container in their order") {
    const TempDir dir;
    const auto write = [&](const char* network, const char* file, const char* text) {
        REQUIRE(make_directories(dir / network, 0700).ok());
        REQUIRE(
            write_atomically(std::string(dir / network) + "/" + file, text, 0600, Sync::No).ok());
    };
    write("front", "shop.web", "172.17.0.2 fd00::2\nshop-web-1 web Www\n");
    write("front", "shop.web2", "172.17.0.3\nshop-web-2 web\n");
    write("back", "shop.db", "172.18.0.2\nshop-db-1 db web\n");
    write("back", "shop.half.tmp", "9.9.9.9\nweb\n");
    DnsSettings settings;
    settings.networks = {{"shop_front", dir / "front"}, {"shop_back", dir / "back"}};
    settings.links = {{"Database", "db"}};
    settings.hosts = {{"host.docker.internal", {"172.17.0.1"}}};
    const auto back = parse_dns_settings(to_json(settings).dump());
    REQUIRE(back.ok());
    DnsNames names(*back);
    using List = std::vector<std::string>;
    CHECK(names.find("web").value() == List{"172.17.0.2", "fd00::2", "172.17.0.3"});
    CHECK(names.find("www").value() == List{"172.17.0.2", "fd00::2"});
    CHECK(names.find("web.shop_back").value() == List{"172.18.0.2"});
    CHECK(names.find("database").value() == List{"172.18.0.2"});
    CHECK(names.find("host.docker.internal").value() == List{"172.17.0.1"});
    CHECK_FALSE(names.find("cache").has_value());
    CHECK(names.name_of("172.18.0.2") == "shop-db-1.shop_back");
    CHECK(names.name_of("9.9.9.9").empty());
    // A container comes, another goes: at once.
    write("back", "shop.cache", "172.18.0.3\nshop-cache-1 cache\n");
    CHECK(names.find("cache").value() == List{"172.18.0.3"});
    REQUIRE(remove_tree(std::string(dir / "front") + "/shop.web").ok());
    CHECK(names.find("web").value() == List{"172.17.0.3"});
    CHECK_FALSE(names.find("www").has_value());
    REQUIRE(remove_tree(dir / "front").ok());
    CHECK(names.find("web").value() == List{"172.18.0.2"});
}

TEST_CASE("servers of a resolver configuration") {
    CHECK(servers_of("# c\nnameserver 10.0.0.1\nnameserver\t::1 \nsearch x\n") ==
          std::vector<std::string>{"10.0.0.1", "::1"});
    CHECK(servers_of(
              "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n")
              .size() == 3);
    CHECK(servers_of("") == std::vector<std::string>{"127.0.0.1"});
    CHECK_FALSE(parse_dns_settings("{}").ok());
}
