#!/bin/sh
# Make an authority, a server and a client certificate for tests: 30 days, keys without password.
# Never for production: there use your own authority (cert-manager in Kubernetes).
#
#   make_test_certificates.sh FOLDER [DAYS]
#
# The server's certificate is for packshot, server, balancer and localhost.
set -eu

folder=$1
days=${2:-30}
mkdir -p "$folder"
cd "$folder"
umask 077

openssl req -x509 -newkey rsa:2048 -nodes -days "$days" -subj "/CN=packshot test authority" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout ca.key -out ca.pem 2>/dev/null

issue() { # NAME USAGE ALTERNATIVE-NAMES
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$2" "$3" > "$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" \
        -extfile "$1.ext" -out "$1.pem" 2>/dev/null
    rm "$1.csr" "$1.ext"
}
issue server serverAuth "DNS:packshot,DNS:server,DNS:balancer,DNS:localhost,IP:127.0.0.1"
issue client clientAuth "DNS:packshot-client"
# Containers run as other users than the one who makes these, and read the files through a mount of
# their own; on this machine nobody else gets into the folder.
chmod 700 .
chmod 644 ./*.pem ./server.key ./client.key
echo "Wrote ca, server and client certificates to $(pwd), valid $days days"
