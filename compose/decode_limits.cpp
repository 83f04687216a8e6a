#include "compose/decode.h"
#include "compose/decode_values.h"

#include <fmt/format.h>
#include <limits>

// mem_limit, cpus and pids_limit, which deploy.resources.limits says in other words.
namespace davit::compose {
namespace {

constexpr std::int64_t kMostPids = std::numeric_limits<std::int32_t>::max();
constexpr double kMostCpus = 8192;  // more than the kernel is built for

/// Sets a limit, unless the service has another one already.
template <typename T>
void set_limit(DecodeContext& context, const Field& field, T value, T& limit) {
    if (limit != T{} && limit != value) {
        context.error(
            fmt::format("'{}' differs from the same limit elsewhere in the service", field.path),
            field.node.place(), "keep one of the two");
        return;
    }
    limit = value;
}

void memory(DecodeContext& context, const Field& field, Service& service) {
    if (const auto bytes = decode_bytes(context, field))
        set_limit(context, field, *bytes, service.resources.memory_bytes);
}

void cpus(DecodeContext& context, const Field& field, Service& service) {
    const std::optional<double> number = decode_number(context, field);
    if (number && *number > kMostCpus)
        context.error(fmt::format("'{}' must be at most {}", field.path, kMostCpus),
                      field.node.place());
    else if (number)
        set_limit(context, field, *number, service.resources.cpus);
}

void pids(DecodeContext& context, const Field& field, Service& service) {
    const auto number = decode_integer(context, field, -1, kMostPids);
    if (number)
        set_limit(context, field, *number < 0 ? std::int64_t{0} : *number, service.resources.pids);
}

constexpr Key<Service> kLimitsKeys[] = {
    {"cpus", cpus},
    {"memory", memory},
    {"pids", pids},
};

void limits(DecodeContext& context, const Field& field, Service& service) {
    decode_mapping<Service>(context, field, "'limits'", kLimitsKeys, service);
}

constexpr Key<Service> kResourcesKeys[] = {
    {"limits", limits},
    {"reservations", nullptr},
};

void resources(DecodeContext& context, const Field& field, Service& service) {
    decode_mapping<Service>(context, field, "'resources'", kResourcesKeys, service);
}

constexpr const char* kSwarm = "take it out: it means something in a swarm only";

constexpr Key<Service> kDeployKeys[] = {
    {"resources", resources},
    {"mode", nullptr, kSwarm},
    {"replicas", nullptr},
    {"endpoint_mode", nullptr, kSwarm},
    {"labels", nullptr, kSwarm},
    {"placement", nullptr, kSwarm},
    {"restart_policy", nullptr, "use 'restart'"},
    {"update_config", nullptr, kSwarm},
    {"rollback_config", nullptr, kSwarm},
};

}  // namespace

void decode_mem_limit(DecodeContext& context, const Field& field, Service& service) {
    memory(context, field, service);
}
void decode_cpus(DecodeContext& context, const Field& field, Service& service) {
    cpus(context, field, service);
}
void decode_pids_limit(DecodeContext& context, const Field& field, Service& service) {
    pids(context, field, service);
}

void decode_deploy(DecodeContext& context, const Field& field, Service& service) {
    if (field.node.kind == NodeKind::Null) return;
    decode_mapping<Service>(context, field, "'deploy'", kDeployKeys, service);
}

}  // namespace davit::compose
