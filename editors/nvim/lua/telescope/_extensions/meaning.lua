-- :Telescope meaning
return require('telescope').register_extension({
  exports = {
    meaning = function(settings)
      require('meaning').find(settings and settings.default_text or '')
    end,
  },
})
