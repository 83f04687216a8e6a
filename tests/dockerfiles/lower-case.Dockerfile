from local/busybox:1 as base
run echo x > /x
env A=1
cmd ["x"]
