// Command portreeve-kube is the real Kubernetes control plane as one program,
// for tests and demonstrations.
//
// It contains no code of its own beyond the choice of component: the API server
// and the controller manager are the Kubernetes packages, used as libraries, so
// that what the tests meet is what a cluster runs. One program instead of two,
// because the two share nearly all of their code: one link, half the disk.
//
// The component is the base name of argv[0] (a link named kube-apiserver works),
// or else the first argument.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // CronJob time zones, as in the upstream programs

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
}

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args
	if _, known := components[name]; !known && len(os.Args) > 1 {
		name, args = os.Args[1], os.Args[1:]
	}
	newCommand, known := components[name]
	if !known {
		fmt.Fprintf(os.Stderr, "usage: %s kube-apiserver|kube-controller-manager [flags]\n", os.Args[0])
		os.Exit(2)
	}
	os.Args = args
	os.Exit(cli.Run(newCommand()))
}
