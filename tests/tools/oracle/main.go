// Command portreeve-oracle answers how Docker's own parser reads image references,
// so that our parser can be held against it by the hundred thousand.
//
// One JSON string per line in, one JSON object per line out, in the same order.
package main

import (
	"bufio"
	_ "crypto/sha256" // digests count only while their algorithm is registered
	_ "crypto/sha512" // this one brings sha384 too
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/distribution/reference"
	_ "github.com/opencontainers/go-digest"
)

type answer struct {
	OK        bool   `json:"ok"`
	Error     string `json:"error,omitempty"`
	Domain    string `json:"domain,omitempty"`
	Path      string `json:"path,omitempty"`
	Tag       string `json:"tag,omitempty"`
	Digest    string `json:"digest,omitempty"`
	String    string `json:"string,omitempty"`
	DockerRef string `json:"docker_ref,omitempty"`
	Familiar  string `json:"familiar,omitempty"`
}

func parse(text string) answer {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return answer{Error: err.Error()}
	}
	result := answer{
		OK:       true,
		Domain:   reference.Domain(named),
		Path:     reference.Path(named),
		String:   reference.TagNameOnly(named).String(),
		Familiar: reference.FamiliarString(named),
	}
	if tagged, ok := named.(reference.Tagged); ok {
		result.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		result.Digest = digested.Digest().String()
	}
	dockerRef, err := reference.ParseDockerRef(text)
	if err != nil {
		return answer{Error: err.Error()}
	}
	result.DockerRef = dockerRef.String()
	return result
}

// answerAll flushes whenever no further input is waiting, so that one question at
// a time gets its answer, and a hundred thousand at once go through a full buffer.
func answerAll(in *bufio.Reader, out *bufio.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return out.Flush()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var text string
		if err := json.Unmarshal(line, &text); err != nil {
			return fmt.Errorf("not a JSON string: %w", err)
		}
		if err := encoder.Encode(parse(text)); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func main() {
	if err := answerAll(bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20)); err != nil {
		fmt.Fprintln(os.Stderr, "portreeve-oracle:", err)
		os.Exit(1)
	}
}
