#include "base/duration.h"
#include "cli/container_rows.h"
#include "cli/image_rows.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

namespace {

TimePoint now() { return *parse_rfc3339("2026-01-02T03:05:00Z"); }

stack::ContainerView web() {
    stack::ContainerView view;
    stack::ContainerRecord& record = view.record;
    record.id = std::string(64, 'a');
    record.name = "shop-web-1";
    record.project = "shop";
    record.service = "web";
    record.image = "nginx:1.27";
    record.created = "2026-01-02T03:03:00Z";
    record.entrypoint = {"/docker-entrypoint.sh"};
    record.cmd = {"nginx", "-g", "daemon off;"};
    record.exposed_ports = {"80/tcp", "443/tcp"};
    compose::Port port;
    port.published = 8080;
    port.target = 80;
    record.ports = {port};
    port.host_ip = "127.0.0.1";
    port.published = 5353;
    port.target = 53;
    port.protocol = "udp";
    record.ports.push_back(port);
    stack::MountRecord volume;
    volume.type = "volume";
    volume.name = "shop_data";
    stack::MountRecord bind;
    bind.type = "bind";
    bind.source = "/srv";
    record.mounts = {volume, bind};
    stack::Endpoint endpoint;
    endpoint.network = "shop_default";
    record.endpoints = {endpoint};
    view.state.status = runtime::Status::Running;
    view.state.started_at = "2026-01-02T03:04:56Z";
    view.supervised = true;
    return view;
}

}  // namespace

TEST_CASE("containers are listed as docker compose ps lists them") {
    stack::ContainerView job = web();
    job.record.name = "shop-job-1";
    job.record.service = "job";
    job.record.entrypoint = {};
    job.record.cmd = {"true"};
    job.state.status = runtime::Status::Exited;
    job.state.exit_code = 3;
    job.state.finished_at = "2026-01-02T03:04:58Z";
    CHECK(
        container_table({job, web()}, now()) ==
        "NAME         IMAGE        COMMAND                  SERVICE   CREATED         STATUS      "
        "               PORTS\n"
        "shop-job-1   nginx:1.27   \"true\"                   job       2 minutes ago   Exited (3) "
        "2 seconds ago   \n"
        "shop-web-1   nginx:1.27   \"/docker-entrypoint.…\"   web       2 minutes ago   Up 4 "
        "seconds               443/tcp, 0.0.0.0:8080->80/tcp, 127.0.0.1:5353->53/udp\n");
    CHECK(container_table({}, now()) ==
          "NAME      IMAGE     COMMAND   SERVICE   CREATED   STATUS    PORTS\n");
}

TEST_CASE("a container as json has the keys of docker compose") {
    CHECK(container_row(web(), now()).dump() ==
          R"({"Command":"\"/docker-entrypoint.…\"","CreatedAt":"2026-01-02 03:03:00 +0000 UTC",)"
          R"("ExitCode":0,"Health":"","ID":"aaaaaaaaaaaa","Image":"nginx:1.27",)"
          R"("Labels":"com.docker.compose.container-number=1,com.docker.compose.oneoff=False,)"
          R"(com.docker.compose.project=shop,com.docker.compose.service=web",)"
          R"("LocalVolumes":"1","Mounts":"shop_data,/srv","Name":"shop-web-1",)"
          R"("Names":"shop-web-1","Networks":"shop_default",)"
          R"("Ports":"443/tcp, 0.0.0.0:8080->80/tcp, 127.0.0.1:5353->53/udp","Project":"shop",)"
          R"("Publishers":[{"URL":"","TargetPort":443,"PublishedPort":0,"Protocol":"tcp"},)"
          R"({"URL":"0.0.0.0","TargetPort":80,"PublishedPort":8080,)"
          R"("Protocol":"tcp"},{"URL":"127.0.0.1","TargetPort":53,"PublishedPort":5353,)"
          R"("Protocol":"udp"}],"RunningFor":"2 minutes ago","Service":"web","Size":"0B",)"
          R"("State":"running","Status":"Up 4 seconds"})");
}

TEST_CASE("ports that follow each other are one range") {
    stack::ContainerView view = web();
    view.record.exposed_ports = {"81/tcp", "9000/tcp", "9001/tcp", "9001/udp", "none"};
    view.record.ports.clear();
    for (const int target : {80, 81, 82, 90}) {
        compose::Port port;
        port.published = static_cast<std::uint16_t>(18000 + target);
        port.target = static_cast<std::uint16_t>(target);
        view.record.ports.push_back(port);
    }
    view.record.ports.back().published = 0;  // as it is before one is chosen
    CHECK(container_row(view, now())["Ports"] ==
          "9000-9001/tcp, 9001/udp, 0.0.0.0:18080-18082->80-82/tcp, 90/tcp");
    view.state.status = runtime::Status::Exited;
    CHECK(container_row(view, now())["Ports"] == "");
}

TEST_CASE("the state of a container is told in docker's words") {
    using runtime::Status;
    stack::ContainerView view = web();
    CHECK(status_text(view, now()) == "Up 4 seconds");
    view.supervised = false;
    CHECK(status_text(view, now()) == "Up 4 seconds (unsupervised)");
    view.state.status = Status::Paused;
    CHECK(status_text(view, now()) == "Up 4 seconds (Paused)");
    view.state.exit_code = 1;
    view.state.finished_at = "2026-01-02T03:04:00Z";
    view.state.status = Status::Restarting;
    CHECK(status_text(view, now()) == "Restarting (1) About a minute ago");
    CHECK(is_up(view));
    view.state.status = Status::Exited;
    CHECK(status_text(view, now()) == "Exited (1) About a minute ago");
    CHECK(!is_up(view));
    CHECK(container_row(view, now())["Publishers"].is_null());
    CHECK(status_text(stack::ContainerView(), now()) == "Created");
    // A clock that was set back makes no negative age.
    view.state.finished_at = "2027-01-02T03:04:00Z";
    CHECK(status_text(view, now()) == "Exited (1) Less than a second ago");
}

TEST_CASE("images are listed as docker images lists them") {
    image::Image nginx;
    nginx.id = std::string(64, 'a');
    nginx.manifest_digest = "sha256:" + std::string(64, 'd');
    nginx.created = "2025-12-19T03:05:00Z";
    nginx.size_bytes = 187'000'000;
    image::Reference name;
    name.domain = "docker.io";
    name.path = "library/nginx";
    name.tag = "1.27";
    nginx.names = {name};
    image::Image nameless;
    nameless.id = std::string(64, 'b');
    const std::vector<Json> rows = image_rows({nginx, nameless}, {}, now());
    const auto table = [](const std::vector<Json>& some, const ImageRowOptions& options) {
        return *RowFormat::parse("table", image_kind(options))->text(as_rows(some));
    };
    CHECK(table(rows, {}) ==
          "REPOSITORY   TAG       IMAGE ID       CREATED       SIZE\n"
          "nginx        1.27      aaaaaaaaaaaa   2 weeks ago   187MB\n"
          "<none>       <none>    bbbbbbbbbbbb   N/A           0B\n");
    ImageRowOptions options;
    options.digests = true;
    options.no_trunc = true;
    const Json row = image_rows({nginx}, options, now()).front();
    CHECK(row["Digest"] == nginx.manifest_digest);
    CHECK(row["ID"] == "sha256:" + nginx.id);
    CHECK(table({row}, options).find("DIGEST") != std::string::npos);
}
