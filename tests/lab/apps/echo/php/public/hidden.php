<?php // A program of its own, which only index.php may stand in for.
echo 'hidden';
