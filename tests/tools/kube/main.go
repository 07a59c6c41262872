// Command portreeve-kube is the real Kubernetes control plane as one program,
// for tests and demonstrations.
//
// It contains no code of its own beyond the choice of component: the API server,
// the controller manager and etcd are the upstream packages, used as libraries,
// so that what the tests meet is what a cluster runs. One program instead of
// three, because they share nearly all of their code: one link, half the disk.
// etcd is in it for machines that have no package of it.
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
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// programs maps a component to its main function, which takes argv.
var programs = map[string]func(args []string){
	"etcd":                    etcdmain.Main,
	"kube-apiserver":          kubernetes(apiserver.NewAPIServerCommand),
	"kube-controller-manager": kubernetes(controllermanager.NewControllerManagerCommand),
}

// kubernetes runs a component's command as its upstream main does.
func kubernetes(newCommand func() *cobra.Command) func([]string) {
	return func(args []string) {
		os.Args = args
		os.Exit(cli.Run(newCommand()))
	}
}

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args
	if _, known := programs[name]; !known && len(os.Args) > 1 {
		name, args = os.Args[1], os.Args[1:]
	}
	run, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "usage: %s kube-apiserver|kube-controller-manager|etcd [flags]\n", os.Args[0])
		os.Exit(2)
	}
	run(args)
}
