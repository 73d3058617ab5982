// Command health judges the Kubernetes object on stdin as GitOps tools do.
//
//	health kstatus       what kstatus says, which Flux and kpt wait for
//	health lua SCRIPT    what an Argo CD health check written in Lua says
//
// Both print the status, a tab and the message.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "health:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	var object map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&object); err != nil {
		return err
	}
	if len(words) == 1 && words[0] == "kstatus" {
		result, err := status.Compute(&unstructured.Unstructured{Object: integers(object).(map[string]any)})
		if err != nil {
			return err
		}
		fmt.Printf("%s\t%s\n", result.Status, result.Message)
		return nil
	}
	if len(words) == 2 && words[0] == "lua" {
		return check(words[1], object)
	}
	return fmt.Errorf("usage: health kstatus | health lua SCRIPT")
}

// check runs the script as Argo CD does: the object is the global `obj`, the script
// returns a table with `status` and `message`, and only safe libraries are open.
func check(script string, object map[string]any) error {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName:   lua.OpenBase,
		lua.TabLibName:    lua.OpenTable,
		lua.StringLibName: lua.OpenString,
		lua.MathLibName:   lua.OpenMath,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return err
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoFile(script); err != nil {
		return err
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return fmt.Errorf("%s returned no table", script)
	}
	fmt.Printf("%s\t%s\n", result.RawGetString("status"), result.RawGetString("message"))
	return nil
}

// value converts decoded JSON to Lua.
func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.NewTable()
		for _, each := range from {
			table.Append(value(state, each))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, each := range from {
			table.RawSetString(key, value(state, each))
		}
		return table
	}
	return lua.LNil
}

// integers turns whole numbers into int64, as Kubernetes decodes JSON.
func integers(from any) any {
	switch from := from.(type) {
	case float64:
		if whole := int64(from); float64(whole) == from {
			return whole
		}
	case []any:
		for index, each := range from {
			from[index] = integers(each)
		}
	case map[string]any:
		for key, each := range from {
			from[key] = integers(each)
		}
	}
	return from
}
