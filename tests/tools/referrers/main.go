// Referrers is a registry in memory that knows the referrers API, for the tests of our client.
//
//	portreeve-referrers -listen 127.0.0.1:5001 [-cert server.crt -key server.key]
//
// It is go-containerregistry's pkg/registry as it is; nobody signs in. It ends when it is told to.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "loopback address and port")
	cert := flag.String("cert", "", "the server's certificate, PEM; plain HTTP without it")
	key := flag.String("key", "", "its key")
	flag.Parse()

	handler := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(os.Stderr, "", 0)))
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	if *cert == "" {
		log.Fatal(server.Serve(listener))
	}
	log.Fatal(server.ServeTLS(listener, *cert, *key))
}
