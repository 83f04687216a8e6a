#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace davit::image {

/// Who we are for a registry. Never logged or shown, but for `source`.
struct Credentials {
    std::string user = {};
    std::string secret = {};
    std::string identity_token = {};  ///< Exchanged for access tokens instead of a password.
    std::string registry_token = {};  ///< An access token as it is.
    /// Where they come from, for messages: "'bob' of /root/.docker/config.json", or "anonymous; no
    /// entry for ghcr.io in /root/.docker/config.json".
    std::string source = "anonymous";

    bool anonymous() const {
        return user.empty() && identity_token.empty() && registry_token.empty();
    }
};

/// @source RFC 4648
std::string base64(std::string_view bytes);

/// Looks through `files` (of the form of ~/.docker/config.json) in order for the registry `domain`:
/// credHelpers, auths, credsStore. A helper is the program docker-credential-NAME.
/// @errors InvalidInput for a malformed file; System where a helper fails
Result<Credentials> find_credentials(const std::vector<std::string>& files,
                                     const std::string& domain);

/// Keeps credentials for `domain` in `file`, or in the helper that it names (which then is what is
/// returned, else an empty text). @errors PermissionDenied, System
Result<std::string> store_credentials(const std::string& file, const std::string& domain,
                                      const Credentials& credentials);

/// Forgets those of `domain`. Returns whether there were any.
Result<bool> erase_credentials(const std::string& file, const std::string& domain);

/// Runs docker-credential-NAME with `verb`, `input` on its standard input. Returns its output.
/// @errors NotFound where there is no such program; System with what it printed
Result<std::string> run_credential_helper(const std::string& name, const std::string& verb,
                                          const std::string& input);

}  // namespace davit::image
