#include "cli/catalog.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace davit::cli {
namespace {

struct Row {
    std::string_view path = {};
    Example example = {};
};

constexpr Row kRows[] = {
    {"", {"davit up -d", "bring the stack of this folder up"}},
    {"", {"davit plan", "show what that would change, and why"}},
    {"", {"davit logs -f web", "follow the output of a service"}},
    {"", {"davit down", "take the stack away, and leave volumes and images"}},
    {"up", {"davit up -d", "bring everything up and return"}},
    {"up", {"davit up -d --wait", "return when everything is healthy"}},
    {"up", {"davit up -d web", "only this service and what it depends on"}},
    {"up", {"davit up -d --scale web=3", "three containers of a service"}},
    {"up",
     {"davit up --exit-code-from tests", "run until the tests have ended, with their status"}},
    {"create", {"davit create", "make everything ready to start"}},
    {"down", {"davit down", "remove containers and networks"}},
    {"down", {"davit down -v", "remove the named volumes too"}},
    {"down", {"davit -p shop down", "a project whose folder is elsewhere"}},
    {"stop", {"davit stop web", "stop a service, and keep its container"}},
    {"stop", {"davit stop -t 60", "give programs a minute to end"}},
    {"start", {"davit start web", "start what was stopped"}},
    {"restart", {"davit restart web", "stop and start a service"}},
    {"pause", {"davit pause worker", "hold the processes of a service"}},
    {"unpause", {"davit unpause worker", "let them go on"}},
    {"attach", {"davit attach shell", "talk to a container; ctrl-p ctrl-q leaves it"}},
    {"run", {"davit run --rm web sh", "a shell in a new container of the service"}},
    {"run", {"davit run -d -p 8080:80 nginx", "an image without a compose file"}},
    {"run", {"davit run --rm -e DEBUG=1 web ./migrate", "a task, removed when it has ended"}},
    {"scale", {"davit scale web=3 worker=5", "change the numbers of containers"}},
    {"kill", {"davit kill web", "end a service at once"}},
    {"kill", {"davit kill -s HUP web", "send another signal"}},
    {"rm", {"davit rm", "remove containers that don't run"}},
    {"rm", {"davit rm -sfv web", "stop a container first, and remove its anonymous volumes"}},
    {"plan", {"davit plan", "what 'davit up' would do"}},
    {"plan", {"davit plan --detailed-exitcode", "for scripts: 2 where there is something to do"}},
    {"ps", {"davit ps", "containers that run"}},
    {"ps", {"davit ps -a --format json", "all of them, for a program"}},
    {"ps", {"davit ps --status exited", "those that have ended"}},
    {"logs", {"davit logs -f --tail 20", "the last lines, and what comes"}},
    {"logs", {"davit logs --since 10m web", "what a service has said lately"}},
    {"inspect", {"davit inspect web", "everything about a container"}},
    {"inspect", {"davit inspect -f '{{.State.Pid}}' web", "one thing of it"}},
    {"exec", {"davit exec web sh", "a shell in a running container"}},
    {"exec", {"davit exec -T db pg_dump shop > dump.sql", "without a terminal, for pipes"}},
    {"cp", {"davit cp web:/etc/nginx/nginx.conf .", "out of a container"}},
    {"cp", {"davit cp page.html web:/www/", "into a container"}},
    {"top", {"davit top", "processes of all containers"}},
    {"stats", {"davit stats", "live numbers of all containers"}},
    {"stats", {"davit stats --no-stream --format json", "once, for a program"}},
    {"events", {"davit events --json", "what happens, as a JSON object a line"}},
    {"events", {"davit events --since 1h --until 0s", "what has happened"}},
    {"port", {"davit port web 80", "where port 80 is published"}},
    {"wait", {"davit wait job", "until a service has ended, with its status"}},
    {"ls", {"davit ls", "projects that run"}},
    {"ls", {"davit ls -a --format json", "all projects, for a program"}},
    {"config", {"davit config", "the whole model, with all defaults"}},
    {"config", {"davit config -q", "only say what is wrong"}},
    {"config", {"davit config --explain services.web.ports", "which line each part comes from"}},
    {"convert", {"davit convert --format json", "the model as JSON"}},
    {"images", {"davit images", "images of the store"}},
    {"build", {"davit build", "build the services that have 'build:'"}},
    {"build", {"davit build -t shop/web:2 .", "build a folder"}},
    {"load", {"davit load -i nginx.tar", "an archive of 'docker save'"}},
    {"load", {"davit load < nginx.tar.gz", "compressed, from a pipe"}},
    {"import", {"davit import rootfs.tar local/base:1", "an image of a root file system"}},
    {"pull", {"davit pull", "the images of all services"}},
    {"pull", {"davit pull nginx:1.27", "an image by its name"}},
    {"push", {"davit push registry.example.com/shop/web:2", "an image to its registry"}},
    {"login", {"davit login registry.example.com -u me", "asks for the password"}},
    {"logout", {"davit logout registry.example.com", "forget it"}},
    {"save", {"davit save -o nginx.tar nginx:1.27", "an archive that 'docker load' reads"}},
    {"save", {"davit save --format oci nginx:1.27 > nginx.tar", "an OCI archive"}},
    {"tag", {"davit tag nginx:1.27 shop/web:2", "another name for the same image"}},
    {"rmi", {"davit rmi nginx:1.26", "remove an image that nothing uses"}},
    {"history", {"davit history nginx:1.27", "the steps an image was made by"}},
    {"image", {"davit image ls", "list images"}},
    {"image ls", {"davit image ls --digests", "with the digests of their registries"}},
    {"image inspect", {"davit image inspect nginx:1.27", "everything about an image"}},
    {"image history", {"davit image history --no-trunc nginx:1.27", "whole commands"}},
    {"image pull", {"davit image pull nginx:1.27", "bring an image"}},
    {"image push", {"davit image push shop/web:2", "give an image to its registry"}},
    {"image load", {"davit image load -i nginx.tar", "load an archive"}},
    {"image save", {"davit image save -o nginx.tar nginx:1.27", "write an archive"}},
    {"image import", {"davit image import rootfs.tar local/base:1", "make an image"}},
    {"image tag", {"davit image tag nginx:1.27 shop/web:2", "another name"}},
    {"image rm", {"davit image rm nginx:1.26", "remove an image"}},
    {"image prune", {"davit image prune -a", "remove all images without a container"}},
    {"image check", {"davit image check --repair", "find damage in the store, and mend it"}},
    {"system", {"davit system df", "what takes how much of the disk"}},
    {"system df", {"davit system df --format json", "for a program"}},
    {"volumes", {"davit volumes", "volumes of this project"}},
    {"volume", {"davit volume ls", "list volumes"}},
    {"volume ls", {"davit volume ls -q -f dangling=true", "names of those that nothing uses"}},
    {"volume inspect", {"davit volume inspect shop_data", "where its files are"}},
    {"volume create", {"davit volume create --label a=b data", "for 'external: true'"}},
    {"volume rm", {"davit volume rm shop_data", "remove a volume and its files"}},
    {"volume prune", {"davit volume prune -a -f", "remove all that nothing uses, unasked"}},
    {"commit", {"davit commit web shop/web:debug", "an image of what a container has changed"}},
    {"export", {"davit export -o web.tar web", "the files of a container as an archive"}},
    {"system prune", {"davit system prune -f", "remove what nothing uses, unasked"}},
    {"system reexec", {"davit system reexec", "give the guards that run the new davit-runtime"}},
    {"builder", {"davit builder prune", "remove what builds keep"}},
    {"builder build", {"davit builder build -t shop/web:2 .", "build a folder"}},
    {"builder prune", {"davit builder prune -a -f", "all that builds keep, unasked"}},
    {"version", {"davit version", "with what the kernel offers"}},
    {"version", {"davit version --short", "the number alone"}},
    {"completion", {"davit completion bash > /etc/bash_completion.d/davit", "for all users"}},
    {"completion", {"davit completion fish | source", "for this shell"}},
    {"enable", {"davit enable", "bring this project back after a reboot"}},
    {"enable", {"davit enable shop", "a project by its name"}},
    {"disable", {"davit disable shop", "leave it down after the next reboot"}},
};

}  // namespace

std::vector<Example> examples_of(const std::string& path) {
    std::vector<Example> examples;
    for (const Row& row : kRows)
        if (row.path == path) examples.push_back(row.example);
    return examples;
}

}  // namespace davit::cli
