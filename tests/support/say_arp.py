#!/usr/bin/env python3
"""Says by ARP, out of LINK, that IP is at MAC, to whom it concerns: say_arp.py LINK MAC IP TO_MAC TO_IP"""
import socket
import sys

link, mac, ip, to_mac, to_ip = sys.argv[1:]


def number(text):
    return bytes.fromhex(text.replace(":", ""))


with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind((link, 0))
    own = out.getsockname()[4]
    answer = bytes.fromhex("0001080006040002") + number(mac) + socket.inet_aton(ip) + number(to_mac) + socket.inet_aton(to_ip)
    out.send(number(to_mac) + own + bytes.fromhex("0806") + answer)
