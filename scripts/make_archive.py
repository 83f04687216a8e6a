#!/usr/bin/env python3
"""make_archive.py docker|oci OUT NAME:TAG LAYER.tar... [options]

Writes a docker-archive (docker) or an OCI image layout folder (oci) of layer tars. Uses nothing but
Python's own library, and writes the same bytes for the same input.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import tarfile

CREATED = "2023-11-14T22:13:20Z"  # fixed, so that ids don't change from run to run
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def as_json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["docker", "oci"])
    parser.add_argument("out")
    parser.add_argument("name")
    parser.add_argument("layers", nargs="+")
    for option in ("cmd", "entrypoint", "user", "workdir", "stopsignal"):
        parser.add_argument("--" + option)
    for option in ("env", "port", "volume", "label"):
        parser.add_argument("--" + option, action="append", default=[])
    parser.add_argument("--gzip", action="store_true")
    return parser.parse_args()


def image_config(arguments, layers):
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    config = {"Env": [path] + arguments.env}
    if arguments.cmd:
        config["Cmd"] = json.loads(arguments.cmd)
    if arguments.entrypoint:
        config["Entrypoint"] = json.loads(arguments.entrypoint)
    if arguments.user:
        config["User"] = arguments.user
    if arguments.workdir:
        config["WorkingDir"] = arguments.workdir
    if arguments.stopsignal:
        config["StopSignal"] = arguments.stopsignal
    if arguments.port:
        config["ExposedPorts"] = {port: {} for port in arguments.port}
    if arguments.volume:
        config["Volumes"] = {path: {} for path in arguments.volume}
    if arguments.label:
        config["Labels"] = dict(label.split("=", 1) for label in arguments.label)
    return as_json({
        "created": CREATED,
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(layer) for layer in layers]},
        "history": [{"created": CREATED, "created_by": "make_archive " + os.path.basename(path)}
                    for path in arguments.layers],
    })


def write_docker_archive(arguments, config, layers):
    with tarfile.open(arguments.out, "w", format=tarfile.USTAR_FORMAT) as archive:
        def add(name, data):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mtime = 1700000000
            archive.addfile(entry, io.BytesIO(data))
        add(sha256(config) + ".json", config)
        names = [sha256(layer) + "/layer.tar" for layer in layers]
        for name, layer in zip(names, layers):
            add(name, layer)
        manifest = {"Config": sha256(config) + ".json", "RepoTags": [arguments.name],
                    "Layers": names}
        add("manifest.json", as_json([manifest]))


def write_oci_layout(arguments, config, layers):
    blobs = os.path.join(arguments.out, "blobs/sha256")
    os.makedirs(blobs, exist_ok=True)

    def put(media_type, data):
        with open(os.path.join(blobs, sha256(data)), "wb") as blob:
            blob.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + sha256(data), "size": len(data)}

    layer_type = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if arguments.gzip else "")
    descriptors = [put(layer_type, gzip.compress(layer, 6, mtime=0) if arguments.gzip else layer)
                   for layer in layers]
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = put(manifest_type, as_json({
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": put("application/vnd.oci.image.config.v1+json", config),
        "layers": descriptors,
    }))
    manifest["annotations"] = {
        "org.opencontainers.image.ref.name": arguments.name.rsplit(":", 1)[1],
        "io.containerd.image.name": arguments.name,
    }
    with open(os.path.join(arguments.out, "index.json"), "wb") as index:
        index.write(as_json({"schemaVersion": 2,
                             "mediaType": "application/vnd.oci.image.index.v1+json",
                             "manifests": [manifest]}))
    with open(os.path.join(arguments.out, "oci-layout"), "w", encoding="ascii") as layout:
        layout.write('{"imageLayoutVersion":"1.0.0"}')


def main():
    arguments = parse_arguments()
    layers = []
    for path in arguments.layers:
        with open(path, "rb") as layer:
            layers.append(layer.read())
    config = image_config(arguments, layers)
    if arguments.kind == "docker":
        write_docker_archive(arguments, config, layers)
    else:
        write_oci_layout(arguments, config, layers)
    print(f"{arguments.name}: image id {sha256(config)[:12]}")


if __name__ == "__main__":
    main()
