// Command portreeve-cel answers what a Kubernetes 1.30 API server, the oldest we
// support, makes of a ValidatingAdmissionPolicy: whether it stores it, and what it
// decides with it. The compiler, the evaluator and their limits are the packages
// of that release.
//
//	portreeve-cel compile   policy (YAML or JSON) in, one error per line out, exit 1 if any
//	portreeve-cel serve     JSON lines in and out: {"policy": …} loads one, {"review": …} asks it
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	v1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

type question struct {
	Policy json.RawMessage `json:"policy"`
	Review *review         `json:"review"`
}

type loaded struct {
	Errors []compileError `json:"errors"`
}

type failure struct {
	Failure string `json:"failure"`
}

func readPolicy(document []byte) (*v1.ValidatingAdmissionPolicy, error) {
	policy := &v1.ValidatingAdmissionPolicy{}
	if err := yaml.UnmarshalStrict(document, policy); err != nil {
		return nil, fmt.Errorf("not a ValidatingAdmissionPolicy: %w", err)
	}
	if policy.Kind != "ValidatingAdmissionPolicy" {
		return nil, fmt.Errorf("not a ValidatingAdmissionPolicy: kind is %q", policy.Kind)
	}
	return policy, nil
}

func compile() error {
	document, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	policy, err := readPolicy(document)
	if err != nil {
		return err
	}
	found := compileErrors(policy)
	for _, each := range found {
		fmt.Printf("%s: %s\n", each.Field, each.Detail)
	}
	if len(found) > 0 {
		return fmt.Errorf("%d of its expressions would be refused", len(found))
	}
	return nil
}

// serve flushes whenever no further input is waiting, so that one question at a
// time gets its answer, and thousands at once go through a full buffer.
func serve(in *bufio.Reader, out *bufio.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	var current *evaluator
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return out.Flush()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := encoder.Encode(answer(line, &current)); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func answer(line []byte, current **evaluator) any {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return failure{err.Error()}
	}
	switch {
	case asked.Policy != nil:
		policy, err := readPolicy(asked.Policy)
		if err != nil {
			return failure{err.Error()}
		}
		*current = newEvaluator(policy)
		return loaded{compileErrors(policy)}
	case asked.Review == nil:
		return failure{"neither a policy nor a review"}
	case *current == nil:
		return failure{"no policy is loaded"}
	}
	decided, err := (*current).review(asked.Review)
	if err != nil {
		return failure{err.Error()}
	}
	return decided
}

func main() {
	debug.SetGCPercent(800) // an evaluation leaves much garbage and keeps nothing: the heap stays small anyway
	run := map[string]func() error{
		"compile": compile,
		"serve": func() error {
			return serve(bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20))
		},
	}
	if len(os.Args) != 2 || run[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: %s compile|serve\n", os.Args[0])
		os.Exit(2)
	}
	if err := run[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, "portreeve-cel:", err)
		os.Exit(1)
	}
}
