#include "fuzz/fuzz.h"
#include "runtime/dns_packet.h"

#include <string_view>

// What a container sends to its name server, and what a server of the world answers.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;           // NOLINT(google-build-using-namespace)
    using namespace davit::runtime;  // NOLINT(google-build-using-namespace)
    const std::string packet(reinterpret_cast<const char*>(data), size);
    const dns::Parsed parsed = dns::parse_query(packet);
    const std::string refusal = dns::make_refusal(packet, dns::Rcode::FormErr);
    fuzz::require(refusal.empty() || !dns::parse_query(refusal).query,
                  "a refusal is never taken for a question");
    (void)dns::is_truncated(packet);
    (void)dns::code_of(packet);
    if (!parsed.query) return 0;
    const dns::Query& query = *parsed.query;
    fuzz::require(query.name.size() <= 255, "names are at most 255 bytes");
    fuzz::require(query.payload >= 512 && query.payload <= 65535, "payloads have their limits");
    (void)dns::address_of_reverse_name(query.name);
    const std::vector<dns::Record> records = {{dns::kTypeA, std::string(4, '\1')},
                                              {dns::kTypeAaaa, std::string(16, '\2')},
                                              {dns::kTypePtr, "web.shop_default"}};
    const std::string answer = dns::make_answer(query, dns::Rcode::NoError, records, query.payload);
    fuzz::require(answer.size() <= query.payload, "an answer fits");
    fuzz::require(dns::answers(answer, query, query.id), "an answer answers its question");
    fuzz::require(!dns::parse_query(answer).query, "an answer is never taken for a question");
    const std::string cut = dns::cut(answer, query, 40);
    fuzz::require(dns::answers(cut, query, query.id), "a cut answer still answers");
    return 0;
}
