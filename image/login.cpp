#include "image/login.h"

namespace davit::image {

Result<void> check_login(const RegistrySettings& settings, const std::string& domain,
                         const Credentials& credentials) {
    const std::unique_ptr<Registry> registry =
        TRY(Registry::open(settings, domain, "", Registry::Use::Write));
    registry->use(credentials);
    Endpoint& endpoint = registry->upstream();
    HttpRequest request;
    request.url = registry->base_of(endpoint) + "/v2/";
    request.tls = endpoint.tls;
    request.stall_seconds = settings.stall_seconds;
    request.cancelled = settings.cancelled;
    const HttpResponse response = registry->ask_again(endpoint, request, "", settings.tries);
    if (response.ok()) return {};
    return registry->failure(response, endpoint, "login");
}

}  // namespace davit::image
