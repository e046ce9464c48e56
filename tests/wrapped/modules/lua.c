/* SPDX-License-Identifier: Apache-2.0
 *
 * Lua: runs the request as a script, and answers what it returns. Each run has a state of its own.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "plain.h"

BP_MANIFEST_ABI;
BP_MANIFEST("name=lua");
BP_MANIFEST("version=1");
BP_MANIFEST("provides=lua.work");
BP_MANIFEST("provides=lua.long");
BP_MANIFEST("requires=" BP_EXT_AWAIT);

/* Every so many instructions other requests run. A canceled script ends with an error. */
static void breathe(lua_State* lua, lua_Debug* unused) {
  (void)unused;
  const bp_token token = *(bp_token*)lua_getextraspace(lua);
  if (await->sleep(token, 0) != BP_OK) luaL_error(lua, "canceled");
}

static bp_handled run(const bp_call* call) {
  lua_State* lua = luaL_newstate();
  if (lua == NULL) return refuse(call, "out of memory");
  memcpy(lua_getextraspace(lua), &call->token, sizeof call->token);
  luaL_openlibs(lua);
  lua_sethook(lua, breathe, LUA_MASKCOUNT, 100000);
  int failed = luaL_loadbuffer(lua, (const char*)call->payload.data, call->payload.size, "script");
  if (!failed) failed = lua_pcall(lua, 0, 1, 0);
  size_t size = 0;
  const char* text = luaL_tolstring(lua, -1, &size);
  if (failed) {
    refuse(call, text);
  } else {
    answer(call, text, size);
  }
  lua_close(lua);
  return BP_DONE;
}

static bp_status init(const bp_host_api* api, bp_module* module, void** data) {
  (void)data;
  use(api);
  /* Lua allows 200 nested calls of C functions, and gsub takes some KiB of stack for each. */
  bp_status status = add(module, "lua.work", run, 0, 4 << 20);
  return status == BP_OK ? add(module, "lua.long", run, 0, 4 << 20) : status;
}

BP_MODULE_ENTRY = {
    .struct_size = sizeof(bp_module_entry), .abi_major = BP_ABI_MAJOR, .abi_minor = BP_ABI_MINOR, .init = init};
