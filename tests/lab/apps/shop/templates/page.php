<?php namespace Shop; ?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<?php if (($placed['status'] ?? '') === 'queued'): ?>
<meta http-equiv="refresh" content="2">
<?php endif ?>
<title><?= html($shop) ?></title>
<link rel="icon" href="/logo.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css?<?= html($release) ?>">
</head>
<body>
<header>
  <a href="/"><img src="/logo.svg" alt="" width="44" height="44"><?= html($shop) ?></a>
</header>
<main>
<?php require __DIR__ . "/$template.php" ?>
</main>
<footer>Release <?= html($release) ?>, answered by <?= html($host) ?></footer>
</body>
</html>
