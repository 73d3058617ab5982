-- Argo CD's health of a ClaudeCredential. docs/gitops.md says how to install it.
if obj.spec ~= nil and obj.spec.suspend then
  return {status = "Suspended", message = "spec.suspend is set"}
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "waiting for the refresher to observe it"}
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end

for _, kind in ipairs({"Stalled", "Suspended", "Ready"}) do
  local condition = conditions[kind]
  if condition ~= nil then
    local message = condition.reason .. ": " .. (condition.message or "")
    if kind == "Stalled" and condition.status == "True" then
      return {status = "Degraded", message = message}
    elseif kind == "Suspended" and condition.status == "True" then
      return {status = "Suspended", message = message}
    elseif kind == "Ready" and condition.status == "True" then
      return {status = "Healthy", message = message}
    elseif kind == "Ready" and condition.status == "False" then
      return {status = "Degraded", message = message}
    end
  end
end
return {status = "Progressing", message = "waiting for the condition Ready"}
