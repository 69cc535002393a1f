# What `attache exec` lets R read instead of the user's profile (R_PROFILE_USER): httr
# knows no variable for roots. The user's own profile is read first.
local({
  for (own in c(".Rprofile", "~/.Rprofile")) {
    if (file.exists(own)) {
      sys.source(own, envir = globalenv())
      break
    }
  }
  setHook(packageEvent("httr", "onLoad"), function(...) {
    httr::set_config(httr::config(cainfo = Sys.getenv("CURL_CA_BUNDLE")))
  })
})
